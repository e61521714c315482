#include "watched_files.hpp"

#include "file_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/timeout.hpp>
#include <bight/os/paths.hpp>

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr std::uint32_t changes = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
// What changes which file a name stands for; of what is watched itself, also its path.
constexpr std::uint32_t renames =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;

// The halves of a move come one after the other, but not in one step.
constexpr std::chrono::milliseconds until_second_half{10};
// More events than this are not kept: that is an overflow, as the kernel's own.
constexpr std::size_t most_pending = 131'072;
// The second half of a move is among so many after the first one: what others do may come between.
constexpr std::size_t most_between = 256;

std::string joined(const std::string& directory, std::string_view name) {
    std::string path = directory;
    if (!path.ends_with('/')) path += '/';
    return path.append(name);
}

std::string without_slash(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

// What may happen to a directory before it is watched and listed.
bool is_gone(std::error_code error) noexcept {
    return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory ||
           error == std::errc::permission_denied || error == std::errc::too_many_symbolic_link_levels ||
           error == std::errc::filename_too_long;
}

task<> wait_for(inotify_queue& queue) { co_await inotify_wait(queue); }

class in_use {
  public:
    explicit in_use(bool& flag) noexcept : flag_(flag) { flag_ = true; }
    in_use(const in_use&) = delete;
    in_use& operator=(const in_use&) = delete;
    ~in_use() { flag_ = false; }

  private:
    bool& flag_;
};

}  // namespace

watched_files::~watched_files() {
    close();
    while (!added_.empty()) {
        const node_pointer n = added_.begin()->second;
        node* top = n.get();
        while (top->parent) top = top->parent;
        forget(*top, false);
    }
}

void watched_files::close() noexcept {
    closed_ = true;
    if (inotify_queue* const queue = std::exchange(queue_, nullptr)) queue->close();
}

void watched_files::need_queue() {
    reactor& here = *reactor::current();
    if (closed_ || (queue_ && !queue_->is_open())) {
        throw std::system_error(errc::closed, "file_watch: its reactor has ended, or it was destroyed");
    }
    if (!queue_) queue_ = &inotify_queue::make(here);
    if (&queue_->home() != &here) {
        throw std::system_error(errc::wrong_thread,
                                "file_watch: it belongs to the reactor whose task called add first");
    }
}

// Gives the number, or -errno.
int watched_files::watch(const std::string& path, bool as_directory) {
    const std::uint32_t how = as_directory ? changes | IN_ONLYDIR | IN_DONT_FOLLOW : changes;
    const int number = queue_->add(path.c_str(), how);
    if (number == -ENOSPC || number == -ENOMEM) {
        throw_file_error("watch (see fs.inotify.max_user_watches)", path, number);
    }
    return number;
}

task<> watched_files::add(std::string path, bool recursive) {
    check_path("watch", path);
    need_queue();
    path = without_slash(std::move(path));
    const bight::file_status status = co_await path_status(path);
    need_queue();
    const int number = watch(path, false);
    if (number < 0) throw_file_error("watch", path, number);
    node* const known = at_number(number);
    node_pointer n;
    if (const auto same = added_.find(path); same != added_.end() && same->second.get() != known) {
        // What had the path has gone from it, and nobody has taken the event yet.
        const node_pointer old = same->second;
        unlist_added(*old);
        old->added = old->added_recursively = false;
        if (!old->parent) forget(*old, true);
    }
    if (known) {
        n = pointer_to(*known);
    } else {
        n = std::make_shared<node>();
        n->is_directory = status.type == file_type::directory;
    }
    const std::string as = path;
    added_.try_emplace(as, n);
    if (!n->added) n->added_as = as;
    n->added = true;
    if (!known) give_number(n, number);
    if (!recursive || !n->is_directory) co_return;
    n->added_recursively = true;
    line to_list;
    to_list.push_back({n, listing::silent});
    while (!to_list.empty()) {
        need_queue();
        co_await list_one(to_list, false);
    }
}

bool watched_files::remove(const std::string& path) {
    const auto at = added_.find(without_slash(path));
    if (at == added_.end()) return false;
    const node_pointer n = at->second;
    added_.erase(at);
    for (const auto& [other, same] : added_) {
        if (same != n) continue;
        n->added_as = other;
        return true;
    }
    n->added = n->added_recursively = false;
    if (!n->parent) forget(*n, true);
    return true;
}

task<file_event> watched_files::next() {
    if (in_use_) {
        throw std::system_error(errc::busy, "file_watch::next: another task waits in it: one at a time");
    }
    need_queue();
    const in_use flag(in_use_);
    while (ready_.empty() && is_open()) {
        const node_pointer first = jobs_.empty() ? nullptr : jobs_.front().of.lock();
        if (!jobs_.empty() && !(first && is_blocked(*first))) {
            co_await list_one(jobs_, true);
        } else if (jobs_.empty() && overflowed_) {
            tell(file_change::overflow, {}, false);
            overflowed_ = false;
        } else if (!pending_.empty()) {
            co_await take_one();
        } else if (!looks_.empty()) {
            co_await look_one();
        } else {
            read_queue();
            if (pending_.empty()) co_await inotify_wait(*queue_);
        }
    }
    if (!is_open()) {
        throw std::system_error(errc::closed, "file_watch: it was destroyed, or its reactor has ended");
    }
    file_event told = std::move(ready_.front());
    ready_.pop_front();
    co_return told;
}

// Listing

bool watched_files::is_pending(int number, const std::string& name) const {
    const auto at = pending_names_.find(key(number, name));
    return at != pending_names_.end() && at->second > 0;
}

// Whether an event that has not been taken gives the path to another directory.
bool watched_files::is_blocked(const node& n) const {
    if (is_pending(-1, {})) return true;  // an overflow
    for (const node* at = &n; at; at = at->parent) {
        if (at->parent ? is_pending(at->parent->number, at->name) : is_pending(at->number, {})) return true;
    }
    return false;
}

// The number may be another's, who had this directory at another path.
void watched_files::give_number(const node_pointer& to, int number) {
    if (to->number == number) return;
    const auto [at, is_new] = numbers_.try_emplace(number, to.get());
    if (!is_new) {
        at->second->number = -1;
        at->second = to.get();
    }
    if (to->number >= 0) drop_number(*to);
    to->number = number;
}

// What was added by itself becomes a part of the tree in which it is found.
bool watched_files::adopt(const node_pointer& found, int number) {
    node* const known = at_number(number);
    if (!known || known == found.get() || known->parent || !known->added || !found->parent) return false;
    const auto at = found->parent->children.find(found->name);
    const auto its_own = added_.find(known->added_as);
    if (at == found->parent->children.end() || its_own == added_.end()) return false;
    std::string name = found->name;
    node& parent = *found->parent;
    const node_pointer old = found;
    at->second = its_own->second;
    known->parent = &parent;
    known->name.swap(name);
    old->parent = nullptr;
    forget(*old, false);
    return true;
}

// Watches the first directory of a line, then lists it: what comes meanwhile is in the queue, and told once.
task<> watched_files::list_one(line& of, bool reads_queue) {
    const job one = of.front();
    const node_pointer n = one.of.lock();
    if (!n || n->gone) {
        of.pop_front();
        co_return;
    }
    if (reads_queue) {
        read_queue();
        if (is_blocked(*n)) co_return;
    }
    const std::string path = path_of(*n);
    const int before = n->number;
    const int number = watch(path, n->parent != nullptr);
    if (number < 0) {
        const std::error_code error = system_error_code(-number);
        if (!is_gone(error) || (!reads_queue && !n->parent)) throw_file_error("watch", path, number);
        if (reads_queue) {
            read_queue();
            if (is_blocked(*n)) co_return;
        }
        // An event will tell where it is, if it is anywhere.
        if (n->parent) {
            drop_number(*n);
            if (number == -ENOTDIR && !n->listed) drop_child(*n->parent, std::string(n->name));
        }
        of.pop_front();
        co_return;
    }
    if (!n->parent && number != before) {
        // Another one has the path of what was added. Of that an event tells that it is gone.
        if (!at_number(number)) queue_->remove(number);
        if (!reads_queue) throw_file_error("watch", path, -ENOENT);
        of.pop_front();
        co_return;
    }
    if (number == before && n->listed && one.how == listing::check) {
        of.pop_front();
        co_return;
    }
    // One directory may have two paths, by a mount: it keeps the one that is above.
    for (const node* above = n->parent; above; above = above->parent) {
        if (above->number == number) {
            of.pop_front();
            co_return;
        }
    }
    node* const known = at_number(number);
    if (known && known != n.get() && !known->parent && reads_queue && is_pending(number, {})) {
        ended(*known, false);  // it has come here, and its own path is gone
        co_return;
    }
    if (adopt(n, number)) {
        of.front().of = pointer_to(*known);
        if (one.how == listing::check) of.front().how = listing::telling;
        co_return;
    }
    const bool is_another = n->listed && number != before;
    give_number(n, number);

    auto names = co_await as_result(list_directory(path));
    if (!is_open() || n->gone || n->number != number) co_return;
    if (reads_queue) read_queue();
    if (reads_queue && is_blocked(*n)) {
        // What has been listed may be another directory.
        if (is_another) drop_number(*n);
        co_return;
    }
    if (!names) {
        if (!is_gone(names.error()) || (!reads_queue && !n->parent)) {
            throw std::system_error(names.error(), "watch " + printable(path));
        }
        of.pop_front();
        co_return;
    }
    const bool tells = one.how == listing::telling || is_another || one.how == listing::check;
    std::list<file_event> told;
    std::set<std::string> told_names;
    line below;
    if (is_another) {
        told.push_back({file_change::removed, path, {}, true});
        told.push_back({file_change::created, path, {}, true});
        while (!n->children.empty()) drop_child(*n, std::string(n->children.begin()->first));
    }
    for (const directory_entry& entry : *names) {
        if (tells) {
            told.push_back(
                {file_change::created, joined(path, entry.name), {}, entry.type == file_type::directory});
            told_names.insert(entry.name);
        }
        if (entry.type == file_type::directory || entry.type == file_type::unknown) {
            below.push_back({child_of(*n, entry.name), tells ? listing::telling : listing::silent});
        }
    }
    if (tells) {
        n->told.swap(told_names);
        n->told_until = read_;
    }
    n->listed = true;
    of.pop_front();
    of.splice(of.end(), below);
    ready_.splice(ready_.end(), told);
}

task<> watched_files::look_one() {
    const node_pointer in = looks_.front().in.lock();
    if (!in || in->gone || in->number < 0) {
        looks_.pop_front();
        co_return;
    }
    const std::string name = looks_.front().name;
    const std::string path = joined(path_of(*in), name);
    const auto status = co_await as_result(path_status(path, false));
    if (!is_open()) co_return;
    read_queue();
    // An event tells what the name stands for.
    if (is_blocked(*in) || is_pending(in->number, name)) co_return;
    if (!looks_.empty() && looks_.front().name == name && looks_.front().in.lock() == in) {
        if (status && !in->gone) {
            event e;
            e.number = in->number;
            e.mask = status->type == file_type::directory ? IN_CREATE | IN_ISDIR : IN_CREATE;
            e.name = name;
            e.place = read_;
            created(*in, e);
        }
        looks_.pop_front();
    }
}

// The kernel's events

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
        const int number = queue_->add(n->added_as.c_str(), changes);
        if (number == -ENOSPC || number == -ENOMEM) {
            throw_file_error("watch (see fs.inotify.max_user_watches)", n->added_as, number);
        }
        if (number >= 0 && number == n->number) {
            if (n->added_recursively) jobs_.push_back({n, listing::silent});
        } else {
            if (number >= 0 && !at_number(number)) queue_->remove(number);
            tell(file_change::removed, n->added_as, n->is_directory);
            forget(*n, true);
        }
    }
}

// The model

watched_files::node* watched_files::at_number(int number) const noexcept {
    const auto at = numbers_.find(number);
    return at == numbers_.end() ? nullptr : at->second;
}

watched_files::node_pointer watched_files::pointer_to(node& n) const {
    return n.parent ? n.parent->children.at(n.name) : added_.at(n.added_as);
}

bool watched_files::contains(const node& n, const node& below) noexcept {
    const node* at = &below;
    while (at && at != &n) at = at->parent;
    return at != nullptr;
}

std::string watched_files::path_of(const node& n) {
    std::vector<const node*> way;
    const node* at = &n;
    for (; at->parent; at = at->parent) way.push_back(at);
    std::string path = at->added_as;
    for (auto name = way.rbegin(); name != way.rend(); ++name) path = joined(path, (*name)->name);
    return path;
}

watched_files::node_pointer watched_files::find(const std::string& path) const {
    for (const auto& [root, top] : added_) {
        if (path == root) return top;
        if (top->parent || !path.starts_with(root)) continue;
        std::string_view rest(path);
        rest.remove_prefix(root.size());
        if (!root.ends_with('/')) {
            if (!rest.starts_with('/')) continue;
            rest.remove_prefix(1);
        }
        node_pointer at = top;
        while (at && !rest.empty()) {
            const std::size_t end = std::min(rest.find('/'), rest.size());
            const auto child = at->children.find(std::string(rest.substr(0, end)));
            at = child == at->children.end() ? nullptr : child->second;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        if (at) return at;
    }
    return nullptr;
}

watched_files::node_pointer watched_files::child_of(node& in, const std::string& name) {
    const auto at = in.children.find(name);
    if (at != in.children.end()) return at->second;
    auto made = std::make_shared<node>();
    made->parent = &in;
    made->name = name;
    in.children.emplace(name, made);
    return made;
}

watched_files::line watched_files::checks_of(const node_pointer& top) {
    line all{{top, listing::check}};
    for (const job& one : all) {
        const node_pointer n = one.of.lock();
        for (const auto& [name, child] : n->children) all.push_back({child, listing::check});
    }
    return all;
}

void watched_files::drop_child(node& in, const std::string& name) noexcept {
    const auto at = in.children.find(name);
    if (at == in.children.end()) return;
    const node_pointer child = at->second;
    in.children.erase(at);
    child->parent = nullptr;
    forget(*child, false);
}

void watched_files::drop_number(node& n) noexcept {
    const int number = std::exchange(n.number, -1);
    if (number < 0) return;
    numbers_.erase(number);
    if (queue_) queue_->remove(number);
}

void watched_files::unlist_added(const node& n) noexcept {
    if (!n.added) return;
    for (auto at = added_.begin(); at != added_.end();) {
        at = at->second.get() == &n ? added_.erase(at) : std::next(at);
    }
}

// All below it goes, too, but for what was added by itself, if that is kept. By loops: a tree may be deep.
void watched_files::forget(node& top, bool keeps_added) noexcept {
    for (node* at = &top;;) {
        node* const up = at == &top ? nullptr : at->parent;
        const bool stays = keeps_added && at->added;
        if (!(stays && at->added_recursively && up) && !at->children.empty()) {
            at = at->children.begin()->second.get();
            continue;
        }
        // Its name is that of the first child of its parent, and nobody else may hold it.
        const node_pointer held = up ? up->children.begin()->second : nullptr;
        if (stays) {
            at->parent = nullptr;
        } else {
            drop_number(*at);
            at->gone = true;
            at->parent = nullptr;
            at->told.clear();
        }
        if (up) up->children.erase(up->children.begin());
        if (!stays) unlist_added(*at);
        if (!up) return;
        at = up;
    }
}

void watched_files::tell(file_change what, std::string path, bool is_directory, std::string old_path) {
    ready_.push_back({what, std::move(path), std::move(old_path), is_directory});
}

}  // namespace bight::detail
