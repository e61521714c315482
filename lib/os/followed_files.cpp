#include "followed_files.hpp"

#include "../demux/socket_calls.hpp"
#include "file_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/os/paths.hpp>

#include <algorithm>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// As many as Linux keeps by default; more are an overflow.
constexpr std::size_t most_ready = 16'384;

bool lies_below(const std::string& path, const std::string& directory) noexcept {
    if (directory == "/") return path.size() > 1;
    return path.size() > directory.size() && path[directory.size()] == '/' && path.starts_with(directory);
}

bool lies_directly_in(const std::string& path, const std::string& directory) noexcept {
    return lies_below(path, directory) &&
           path.find('/', directory == "/" ? 1 : directory.size() + 1) == path.npos;
}

}  // namespace

followed_files::followed_files(reactor& home) : home_(home) {
    demultiplexer& demux = demultiplexer_of(home);
    auto* const made = new feed_descriptor(home);
    try {
        made->feed = demux.follow_files(*this);
        made->fd = made->feed->handle();
        demux.attach(*made);
    } catch (...) {
        if (made->feed) demux.sockets().close(made->fd);
        made->drop();
        throw;
    }
    queue_ = made;
}

void followed_files::close() noexcept {
    feed_descriptor* const queue = std::exchange(queue_, nullptr);
    if (!queue) return;
    queue->feed.reset();
    queue->close();
}

void followed_files::need_open() const {
    if (!is_open()) refuse_closed_watch();
    if (reactor::current() != &home_) {
        throw std::system_error(errc::wrong_thread,
                                "file_watch: it belongs to the reactor whose task called add first");
    }
}

task<> followed_files::add(std::string path, bool recursive) {
    check_path("watch", path);
    need_open();
    path = without_slash(std::move(path));
    (void)co_await path_status(path);
    need_open();
    std::string whole;
    bool is_directory = false;
    if (const int error = queue_->feed->find(path, whole, is_directory))
        throw_file_error("watch", path, error);
    // What had the path has gone from it: a directory above was moved.
    for (root& r : roots_) {
        if (r.whole != whole) std::erase(r.added_as, path);
    }
    std::erase_if(roots_, [](const root& r) { return r.added_as.empty(); });
    auto at = std::ranges::find(roots_, whole, &root::whole);
    if (at == roots_.end()) at = roots_.insert(at, {{}, whole, is_directory, false});
    if (std::ranges::find(at->added_as, path) == at->added_as.end()) at->added_as.push_back(std::move(path));
    if (recursive && is_directory) at->is_recursive = true;
}

bool followed_files::remove(const std::string& path) {
    const std::string as = without_slash(path);
    for (auto at = roots_.begin(); at != roots_.end(); ++at) {
        if (std::erase(at->added_as, as) == 0) continue;
        if (at->added_as.empty()) roots_.erase(at);
        return true;
    }
    return false;
}

task<file_event> followed_files::next() {
    const next_in_use flag(in_use_);
    need_open();
    while (ready_.empty()) {
        co_await change_wait(*queue_);
        if (!is_open()) refuse_closed_watch();
    }
    file_event told = std::move(ready_.front());
    ready_.pop_front();
    if (ready_.empty()) queue_->feed->set_readable(false);
    co_return told;
}

// Of several the outermost tree.
const followed_files::root* followed_files::teller_of(const std::string& path) const noexcept {
    const root* found = nullptr;
    for (const root& r : roots_) {
        const bool tells =
            r.is_recursive ? lies_below(path, r.whole) : r.is_directory && lies_directly_in(path, r.whole);
        if (tells && (!found || r.whole.size() < found->whole.size())) found = &r;
    }
    return found;
}

std::string followed_files::told_path(const root& in, const std::string& path) {
    return joined(in.added_as.front(),
                  std::string_view(path).substr(in.whole == "/" ? 1 : in.whole.size() + 1));
}

void followed_files::changed(const path_change& c) {
    if (c.is_lost) tell_overflow();
    if (c.what == path_change::kind::moved) {
        moved(c);
        return;
    }
    const root* const teller = teller_of(c.path);
    const auto told_to_be = [&](file_change what) {
        if (teller && !c.is_lost) tell(what, told_path(*teller, c.path), c.is_directory);
    };
    switch (c.what) {
        case path_change::kind::created: told_to_be(file_change::created); break;
        case path_change::kind::removed:
            told_to_be(file_change::removed);
            end_roots_at(c.path, teller || c.is_lost);
            break;
        default:
            told_to_be(file_change::changed);
            if (teller || c.is_lost) break;
            for (const root& r : roots_) {
                if (r.whole == c.path) tell(file_change::changed, r.added_as.front(), c.is_directory);
            }
    }
}

void followed_files::moved(const path_change& c) {
    const root* const from = teller_of(c.old_path);
    const root* const to = teller_of(c.path);
    if (!c.is_lost) {
        if (from && to) {
            tell(file_change::moved, told_path(*to, c.path), c.is_directory, told_path(*from, c.old_path));
        } else if (from) {
            tell(file_change::removed, told_path(*from, c.old_path), c.is_directory);
        } else if (to) {
            tell(file_change::created, told_path(*to, c.path), c.is_directory);
        }
        const bool is_new_tree = c.is_directory && to && to->is_recursive && !(from && from->is_recursive);
        if (is_new_tree) {
            for (const change_feed::entry& e : queue_->feed->below(c.path)) {
                tell(file_change::created, told_path(*to, e.path), e.is_directory);
            }
        }
    }
    end_roots_at(c.path, to || c.is_lost);
    end_roots_at(c.old_path, from || c.is_lost);
    for (root& r : roots_) {
        if (lies_below(r.whole, c.old_path)) r.whole.replace(0, c.old_path.size(), c.path);
    }
}

// What was added has gone from its path.
void followed_files::end_roots_at(const std::string& path, bool is_told) {
    const auto at = std::ranges::find(roots_, path, &root::whole);
    if (at == roots_.end()) return;
    if (!is_told) tell(file_change::removed, at->added_as.front(), at->is_directory);
    roots_.erase(at);
}

// One that is like the last is told once, as by inotify(7).
void followed_files::tell(file_change what, std::string path, bool is_directory, std::string old_path) {
    if (!is_open()) return;
    if (ready_.size() >= most_ready) {
        tell_overflow();
        return;
    }
    const bool again = what == file_change::changed && !ready_.empty() && ready_.back().what == what &&
                       ready_.back().path == path;
    if (again) return;
    ready_.push_back({what, std::move(path), std::move(old_path), is_directory});
    if (ready_.size() == 1) queue_->feed->set_readable(true);
}

void followed_files::tell_overflow() {
    if (!is_open() || (!ready_.empty() && ready_.back().what == file_change::overflow)) return;
    ready_.emplace_back();
    if (ready_.size() == 1) queue_->feed->set_readable(true);
}

std::unique_ptr<file_watcher> make_simulated_watcher(reactor& home) {
    return std::make_unique<followed_files>(home);
}

}  // namespace bight::detail
