// watched_files: how its directories are watched and listed.
#include "watched_files.hpp"

#include "file_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/result.hpp>
#include <bight/os/paths.hpp>

#include <sys/inotify.h>

#include <cerrno>
#include <list>
#include <set>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr std::uint32_t watched_changes = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM |
                                          IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;

// What may happen to a directory before it is watched and listed.
bool is_gone(std::error_code error) noexcept {
    return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory ||
           error == std::errc::permission_denied || error == std::errc::too_many_symbolic_link_levels ||
           error == std::errc::filename_too_long;
}

}  // namespace

// Gives the number, or -errno.
int watched_files::watch(const std::string& path, bool as_directory) {
    const std::uint32_t how = as_directory ? watched_changes | IN_ONLYDIR | IN_DONT_FOLLOW : watched_changes;
    const int number = queue_->add(path.c_str(), how);
    if (number == -ENOSPC || number == -ENOMEM) {
        throw_file_error("watch (see fs.inotify.max_user_watches)", path, number);
    }
    return number;
}

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

}  // namespace bight::detail
