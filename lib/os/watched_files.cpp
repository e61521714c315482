#include "watched_files.hpp"

#include "file_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/timeout.hpp>
#include <bight/os/paths.hpp>

#include <sys/inotify.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr std::uint32_t changes = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;

// The halves of a move come one after the other, but not in one step.
constexpr std::chrono::milliseconds until_second_half{10};

std::string joined(const std::string& directory, std::string_view name) {
    std::string path = directory;
    if (!path.ends_with('/')) path += '/';
    return path.append(name);
}

bool is_below(const std::string& path, const std::string& directory) noexcept {
    return path.starts_with(directory) &&
           (path.size() == directory.size() || directory.ends_with('/') || path[directory.size()] == '/');
}

// What may happen to a directory before it is watched and listed.
bool is_gone(std::error_code error) noexcept {
    return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory ||
           error == std::errc::permission_denied || error == std::errc::too_many_symbolic_link_levels;
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
int watched_files::watch(const std::string& path, bool recursive, bool was_added) {
    const std::uint32_t how = was_added ? changes : changes | IN_ONLYDIR | IN_DONT_FOLLOW;
    const int number = queue_->add(path.c_str(), how);
    if (number == -ENOSPC || number == -ENOMEM) {
        throw_file_error("watch (see fs.inotify.max_user_watches)", path, number);
    }
    if (number < 0) return number;
    watched& w = watched_[number];
    if (w.path.empty()) w.path = path;
    w.recursive = w.recursive || recursive;
    w.was_added = w.was_added || was_added;
    return number;
}

// Watches the first directory of a line, then lists it: what comes meanwhile is in the queue, and told once.
task<> watched_files::list_one(std::deque<listing>& line) {
    const listing one = line.front();
    const watched* const known = find(one.path);
    const int number = watch(one.path, true, known && known->was_added);
    if (number < 0) {
        const std::error_code error = system_error_code(-number);
        if (!is_gone(error)) throw_file_error("watch", one.path, number);
        line.pop_front();
        co_return;
    }
    auto names = co_await as_result(list_directory(one.path));
    if (!names && !is_gone(names.error())) {
        throw std::system_error(names.error(), "watch " + printable(one.path));
    }
    line.pop_front();
    if (!names) co_return;
    for (const directory_entry& entry : *names) {
        std::string path = joined(one.path, entry.name);
        const bool may_be_directory = entry.type == file_type::directory || entry.type == file_type::unknown;
        if (one.tells) {
            tell(file_change::created, path, entry.type == file_type::directory);
            if (const auto at = watched_.find(number); at != watched_.end())
                at->second.told.insert(entry.name);
        }
        if (may_be_directory) line.push_back({std::move(path), one.tells});
    }
}

task<> watched_files::add(std::string path, bool recursive) {
    check_path("watch", path);
    need_queue();
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const bight::file_status status = co_await path_status(path);
    need_queue();
    const int number = watch(path, recursive, true);
    if (number < 0) throw_file_error("watch", path, number);
    watched_.at(number).is_directory = status.type == file_type::directory;
    if (!recursive || status.type != file_type::directory) co_return;
    const auto names = co_await list_directory(path);
    std::deque<listing> line;
    for (const directory_entry& entry : names) {
        if (entry.type == file_type::directory || entry.type == file_type::unknown) {
            line.push_back({joined(path, entry.name), false});
        }
    }
    while (!line.empty()) {
        need_queue();
        co_await list_one(line);
    }
}

bool watched_files::remove(const std::string& path) {
    std::string name = path;
    while (name.size() > 1 && name.ends_with('/')) name.pop_back();
    const watched* const known = find(name);
    if (!known || !known->was_added) return false;
    forget_below(name);
    return true;
}

task<file_event> watched_files::next() {
    if (in_use_) {
        throw std::system_error(errc::busy, "file_watch::next: another task waits in it: one at a time");
    }
    need_queue();
    const in_use flag(in_use_);
    while (ready_.empty()) {
        if (closed_ || !queue_->is_open()) {
            throw std::system_error(errc::closed, "file_watch: it was destroyed, or its reactor has ended");
        }
        if (!to_list_.empty()) {
            co_await list_one(to_list_);
        } else if (std::exchange(overflowed_, false)) {
            tell(file_change::overflow, {}, false);
        } else if (taken_ < bytes_.size()) {
            co_await take_one();
        } else {
            bytes_.clear();
            taken_ = 0;
            if (!queue_->take(bytes_)) co_await inotify_wait(*queue_);
        }
    }
    file_event first = std::move(ready_.front());
    ready_.pop_front();
    co_return first;
}

// The kernel's events

// False at the end of what there is.
bool watched_files::parse(std::size_t at, event& into, std::size_t& next) const {
    if (at >= bytes_.size()) return false;
    inotify_event e{};
    std::memcpy(&e, bytes_.data() + at, sizeof e);
    const char* const name = bytes_.data() + at + sizeof e;
    into.number = e.wd;
    into.mask = e.mask;
    into.cookie = e.cookie;
    into.name.assign(name, ::strnlen(name, e.len));
    next = at + sizeof e + e.len;
    return true;
}

// One that waits for its other half is taken when that has come, or does not come.
task<> watched_files::take_one() {
    event e;
    std::size_t next = 0;
    (void)parse(taken_, e, next);
    if ((e.mask & IN_MOVED_FROM) == 0) {
        taken_ = next;
        take(e);
        co_return;
    }
    event to;
    if (partner_of(e, next, to)) {
        taken_ = next;
        paired_.insert(e.cookie);
        moved(e, to);
    } else if (waited_for_ == e.cookie) {
        taken_ = next;
        told_removed(e);
    } else {
        (void)co_await try_with_timeout(wait_for(*queue_), until_second_half);
        if (!closed_ && queue_->is_open()) (void)queue_->take(bytes_);
        waited_for_ = e.cookie;
    }
}

bool watched_files::partner_of(const event& from, std::size_t after, event& to) const {
    for (std::size_t at = after; parse(at, to, at);) {
        if ((to.mask & IN_MOVED_TO) != 0 && to.cookie == from.cookie) return watched_.contains(to.number);
    }
    return false;
}

void watched_files::take(const event& e) {
    if ((e.mask & IN_Q_OVERFLOW) != 0) {
        overflowed();
        return;
    }
    const auto at = watched_.find(e.number);
    if (at == watched_.end()) return;
    const watched& w = at->second;
    const bool is_directory = (e.mask & IN_ISDIR) != 0;
    if ((e.mask & IN_IGNORED) != 0) {
        watched_.erase(at);
    } else if ((e.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
        // Of what was added by itself: of others their directory tells.
        if (!w.was_added) return;
        const std::string path = w.path;
        tell(file_change::removed, path, w.is_directory);
        forget_below(path);
    } else if ((e.mask & IN_MOVED_TO) != 0 && paired_.erase(e.cookie) > 0) {
        return;
    } else if ((e.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        created(e);
    } else if ((e.mask & IN_DELETE) != 0) {
        told_removed(e);
    } else if (!e.name.empty() || w.was_added) {
        tell(file_change::changed, path_of(e), is_directory);
    }
}

std::string watched_files::path_of(const event& e) const {
    const std::string& directory = watched_.at(e.number).path;
    return e.name.empty() ? directory : joined(directory, e.name);
}

void watched_files::created(const event& e) {
    watched& w = watched_.at(e.number);
    if (w.told.erase(e.name) > 0) return;
    const bool is_directory = (e.mask & IN_ISDIR) != 0;
    std::string path = path_of(e);
    tell(file_change::created, path, is_directory);
    if (is_directory && w.recursive) to_list_.push_back({std::move(path), true});
}

void watched_files::told_removed(const event& e) {
    watched& w = watched_.at(e.number);
    w.told.erase(e.name);
    const std::string path = path_of(e);
    const bool is_directory = (e.mask & IN_ISDIR) != 0;
    if (is_directory) forget_below(path);
    tell(file_change::removed, path, is_directory);
}

void watched_files::moved(const event& from, const event& to) {
    watched& target = watched_.at(to.number);
    // It was told when its new directory was listed.
    if (target.told.erase(to.name) > 0) {
        const std::string gone = path_of(from);
        rename_below(gone, path_of(to));
        watched_.at(from.number).told.erase(from.name);
        tell(file_change::removed, gone, (from.mask & IN_ISDIR) != 0);
        return;
    }
    watched_.at(from.number).told.erase(from.name);
    const bool is_directory = (to.mask & IN_ISDIR) != 0;
    const std::string old_path = path_of(from);
    std::string path = path_of(to);
    tell(file_change::moved, path, is_directory, old_path);
    if (!is_directory) return;
    rename_below(old_path, path);
    if (target.recursive && !find(path)) to_list_.push_back({std::move(path), true});
}

// What was made meanwhile is not known: all trees are watched again, before that is told, so that who looks
// at them then misses nothing.
void watched_files::overflowed() {
    overflowed_ = true;
    paired_.clear();
    for (auto& [number, w] : watched_) {
        w.told.clear();
        if (w.was_added && w.recursive) to_list_.push_back({w.path, false});
    }
}

void watched_files::rename_below(const std::string& from, const std::string& to) {
    for (auto& [number, w] : watched_) {
        if (is_below(w.path, from)) w.path = to + w.path.substr(from.size());
    }
    for (listing& l : to_list_) {
        if (is_below(l.path, from)) l.path = to + l.path.substr(from.size());
    }
}

void watched_files::forget_below(const std::string& path) {
    for (auto at = watched_.begin(); at != watched_.end();) {
        if (!is_below(at->second.path, path)) {
            ++at;
            continue;
        }
        if (queue_) queue_->remove(at->first);
        at = watched_.erase(at);
    }
}

const watched_files::watched* watched_files::find(const std::string& path) const noexcept {
    for (const auto& [number, w] : watched_) {
        if (w.path == path) return &w;
    }
    return nullptr;
}

void watched_files::tell(file_change what, std::string path, bool is_directory, std::string old_path) {
    ready_.push_back({what, std::move(path), std::move(old_path), is_directory});
}

}  // namespace bight::detail
