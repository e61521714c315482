// watched_files: what the kernel's events change in the model, and what of them is told.
#include "watched_files.hpp"

#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>
#include <bight/os/paths.hpp>

#include <sys/inotify.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

// What changes which file a name stands for; of what is watched itself, also its path.
constexpr std::uint32_t renames =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;

// The halves of a move come one after the other, but not in one step.
constexpr std::chrono::milliseconds until_second_half{10};
// More events than this are not kept: that is an overflow, as the kernel's own.
constexpr std::size_t most_pending = 131'072;
// The second half of a move is among so many after the first one: what others do may come between.
constexpr std::size_t most_between = 256;

task<> wait_for(inotify_queue& queue) { co_await change_wait(queue); }

}  // namespace

// To its end. If it has none, more has happened than is kept.
void watched_files::read_queue() {
    for (;;) {
        while (parsed_ < bytes_.size()) {
            inotify_event e{};
            std::memcpy(&e, bytes_.data() + parsed_, sizeof e);
            const char* const name = bytes_.data() + parsed_ + sizeof e;
            event one{e.wd, e.mask, e.cookie, std::string(name, ::strnlen(name, e.len)), read_};
            if ((e.mask & IN_Q_OVERFLOW) != 0) one.number = -1;
            std::size_t* const names = (e.mask & (renames | IN_Q_OVERFLOW)) != 0
                                           ? &pending_names_[key(one.number, one.name)]
                                           : nullptr;
            pending_.push_back(std::move(one));
            if (names) ++*names;
            ++read_;
            parsed_ += sizeof e + e.len;
        }
        bytes_.clear();
        parsed_ = 0;
        if (pending_.size() > most_pending) {
            const key overflow(-1, {});
            pending_names_.clear();
            pending_names_[overflow] = 1;
            pending_.resize(1);
            pending_.front() = {-1, IN_Q_OVERFLOW, 0, {}, read_};
            ++read_;
            return;
        }
        if (!queue_->take(bytes_)) return;
    }
}

void watched_files::drop_event() noexcept {
    event& e = pending_.front();
    if ((e.mask & (renames | IN_Q_OVERFLOW)) != 0) {
        const auto at = pending_names_.find(key(e.number, std::move(e.name)));
        if (at != pending_names_.end() && --at->second == 0) pending_names_.erase(at);
    }
    pending_.pop_front();
}

// One that waits for its other half is taken when that has come, or does not come.
task<> watched_files::take_one() {
    const event& first = pending_.front();
    if ((first.mask & IN_MOVED_FROM) != 0 && at_number(first.number) && !partner_of(first) &&
        first.place >= waited_until_) {
        read_queue();
        if (pending_.empty() || partner_of(pending_.front())) co_return;
        // Who cancels each wait soon begins no new one by that.
        const time_point now = reactor::current()->now();
        if (waits_for_ != pending_.front().place || !waited_since_) {
            waits_for_ = pending_.front().place;
            waited_since_ = now;
        }
        const duration waited = now - *waited_since_;
        if (waited < until_second_half) {
            (void)co_await try_with_timeout(wait_for(*queue_), until_second_half - waited);
            if (!is_open()) co_return;
            read_queue();
        }
        waited_until_ = read_;
        co_return;
    }
    // An event is dropped when all that it does has been done: when memory is out, it is taken again.
    const std::uint64_t place = first.place;
    take(first);
    if (!pending_.empty() && pending_.front().place == place) drop_event();
}

const watched_files::event* watched_files::partner_of(const event& from) const noexcept {
    const std::size_t end = std::min(pending_.size(), most_between);
    for (std::size_t i = 1; i < end; ++i) {
        const event& to = pending_[i];
        if ((to.mask & IN_MOVED_TO) != 0 && to.cookie == from.cookie) {
            return at_number(to.number) ? &to : nullptr;
        }
    }
    return nullptr;
}

void watched_files::take(const event& e) {
    if ((e.mask & IN_Q_OVERFLOW) != 0) {
        overflowed();
        return;
    }
    node* const n = at_number(e.number);
    if (!n) {
        // The other half has told it, and its directory is watched no more since.
        if ((e.mask & IN_MOVED_TO) != 0) paired_.erase(e.cookie);
        return;
    }
    if (n->told_until <= e.place) n->told.clear();
    if ((e.mask & renames) != 0 && !e.name.empty()) {
        looks_.remove_if([&](const look& l) { return l.name == e.name && l.in.lock().get() == n; });
    }
    if ((e.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) {
        // Of a directory in a tree its parent tells; of one that is a mount, nobody does.
        if (!n->parent) {
            ended(*n, (e.mask & IN_UNMOUNT) != 0);
        } else if ((e.mask & IN_UNMOUNT) != 0) {
            jobs_.push_back({pointer_to(*n), listing::check});
            drop_number(*n);
        } else if ((e.mask & IN_IGNORED) != 0) {
            drop_number(*n);
        }
    } else if ((e.mask & IN_MOVED_FROM) != 0) {
        if (const event* const to = partner_of(e)) {
            moved(*n, e, *at_number(to->number), *to);
        } else {
            removed(*n, e);
        }
    } else if ((e.mask & IN_MOVED_TO) != 0 && paired_.erase(e.cookie) > 0) {
        return;
    } else if ((e.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        created(*n, e);
    } else if ((e.mask & IN_DELETE) != 0) {
        removed(*n, e);
    } else if (e.name.empty()) {
        if (!n->parent) tell(file_change::changed, path_of(*n), n->is_directory);
    } else if (!is_unknown(*n, e)) {
        tell(file_change::changed, joined(path_of(*n), e.name), (e.mask & IN_ISDIR) != 0);
    }
}

// It was in the directory before that was listed, and was not told.
bool watched_files::is_unknown(const node& n, const event& e) const {
    return n.told_until > e.place && !n.told.contains(e.name);
}

void watched_files::created(node& in, const event& e) {
    const bool is_listed = in.told_until > e.place;
    if (is_listed && in.told.contains(e.name)) return;
    const bool is_directory = (e.mask & IN_ISDIR) != 0;
    line below;
    // What had the name has it no more. Only what was added may have been found before it is told.
    const auto old = in.children.find(e.name);
    if (old != in.children.end() && !(is_directory && old->second->added)) drop_child(in, e.name);
    if (is_directory && in.is_recursive()) below.push_back({child_of(in, e.name), listing::telling});
    tell(file_change::created, joined(path_of(in), e.name), is_directory);
    if (is_listed) {
        // Without the name nothing is wrong but that a list may tell it twice.
        try {
            in.told.insert(e.name);
        } catch (...) {
            ready_.pop_back();
            throw;
        }
    }
    jobs_.splice(jobs_.end(), below);
}

void watched_files::removed(node& in, const event& e) {
    if (!is_unknown(in, e)) {
        tell(file_change::removed, joined(path_of(in), e.name), (e.mask & IN_ISDIR) != 0);
    }
    in.told.erase(e.name);
    drop_child(in, e.name);
}

void watched_files::moved(node& from, const event& e, node& to, const event& to_event) {
    const bool source_is_told = !is_unknown(from, e);
    const bool target_is_listed = to.told_until > to_event.place && to.told.contains(to_event.name);
    const auto paired = paired_.insert(to_event.cookie).first;
    try {
        if (source_is_told && !target_is_listed) {
            renamed(from, e, to, to_event);
        } else if (source_is_told) {
            // The list of its new directory has told it.
            removed(from, e);
        } else {
            drop_child(from, e.name);
            created(to, to_event);
        }
    } catch (...) {
        paired_.erase(paired);
        throw;
    }
}

void watched_files::renamed(node& from, const event& e, node& to, const event& to_event) {
    const bool is_directory = (e.mask & IN_ISDIR) != 0;
    const auto at = is_directory ? from.children.find(e.name) : from.children.end();
    const node_pointer child = at == from.children.end() ? nullptr : at->second;
    if (child && contains(*child, to)) {
        // Not so in the system: what is known of the source is of another directory.
        jobs_.push_back({pointer_to(from), from.parent ? listing::check : listing::telling});
        if (from.parent) drop_number(from);
        removed(from, e);
        return;
    }
    const auto target = to.children.find(to_event.name);
    if (target != to.children.end() && contains(*target->second, from)) {
        removed(from, e);
        created(to, to_event);
        return;
    }

    // First what may fail.
    std::list<file_event> told;
    told.push_back({file_change::moved, joined(path_of(to), to_event.name), joined(path_of(from), e.name),
                    is_directory});
    line below;
    node_pointer made;
    if (is_directory && to.is_recursive()) {
        if (child) {
            below = checks_of(child);
        } else {
            made = std::make_shared<node>();
            made->parent = &to;
            made->name = to_event.name;
            below.push_back({made, listing::telling});
        }
    }
    // An exchange of two names is two moves, and looks like one there and back.
    const bool is_back = e.place - last_to_.place <= 3 && last_from_.number == to_event.number &&
                         last_from_.name == to_event.name && last_to_.number == e.number &&
                         last_to_.name == e.name;
    std::list<look> looks;
    if (is_back) looks.push_back({pointer_to(from), e.name});
    last_from_ = e;
    last_to_ = to_event;
    std::string name = to_event.name;
    std::string key_name = name;
    std::set<std::string> told_name;
    if (to.told_until > to_event.place) told_name.insert(name);
    std::map<std::string, node_pointer> placed;
    if (made) placed.emplace(name, made);

    drop_child(to, to_event.name);
    if (child) {
        auto moving = from.children.extract(at);
        if (below.empty()) {
            child->parent = nullptr;
            forget(*child, false);
        } else {
            unlist_added(*child);
            child->added = child->added_recursively = false;
            child->parent = &to;
            child->name.swap(name);
            moving.key().swap(key_name);
            to.children.insert(std::move(moving));
        }
    }
    to.children.merge(placed);
    from.told.erase(e.name);
    to.told.merge(told_name);
    jobs_.splice(jobs_.end(), below);
    looks_.splice(looks_.end(), looks);
    ready_.splice(ready_.end(), told);
}

// What was added has gone from its path.
void watched_files::ended(node& n, bool is_unmounted) {
    const std::string path = path_of(n);
    const node_pointer directory = is_unmounted ? nullptr : find(directory_of(path));
    // A directory that is watched tells it.
    if (!directory || directory->number < 0 || directory.get() == &n) {
        tell(file_change::removed, path, n.is_directory);
    }
    const node_pointer held = pointer_to(n);
    forget(n, false);
}

// What was made meanwhile is not known: all trees are watched again, before that is told, so that who looks
// at them then misses nothing.
void watched_files::overflowed() {
    overflowed_ = true;
    paired_.clear();
    jobs_.clear();
    looks_.clear();
    std::vector<node_pointer> roots;
    for (const auto& [path, n] : added_) {
        n->told.clear();
        n->told_until = 0;
        if (!n->parent) roots.push_back(n);
    }
    std::vector<node_pointer> all;
    for (const auto& [path, n] : added_) all.push_back(n);
    for (const node_pointer& root : roots) {
        // Those that were added by themselves are found again.
        std::map<std::string, node_pointer> children;
        children.swap(root->children);
        for (auto& [name, child] : children) {
            child->parent = nullptr;
            forget(*child, true);
        }
    }
    for (const node_pointer& n : all) {
        if (n->gone) continue;
        const int number = watch(n->added_as, false);
        if (number >= 0 && number == n->number) {
            if (n->added_recursively) jobs_.push_back({n, listing::silent});
        } else {
            if (number >= 0 && !at_number(number)) queue_->remove(number);
            tell(file_change::removed, n->added_as, n->is_directory);
            forget(*n, true);
        }
    }
}

}  // namespace bight::detail
