#include <bight/os/file_watch.hpp>

#include "../demux/demultiplexer.hpp"
#include "file_watcher.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

/// Outlives its file_watch while a task uses it.
class watch_state {
  public:
    /// Made when it is first needed: then it is known where.
    file_watcher& watcher() {
        if (is_closed_) refuse_closed_watch();
        if (!watcher_) {
            reactor& here = *reactor::current();
            watcher_ =
                demultiplexer_of(here).simulated() ? make_simulated_watcher(here) : make_system_watcher();
        }
        return *watcher_;
    }
    file_watcher* made() const noexcept { return watcher_.get(); }
    void close() noexcept {
        is_closed_ = true;
        if (watcher_) watcher_->close();
    }

  private:
    std::unique_ptr<file_watcher> watcher_;
    bool is_closed_ = false;
};

next_in_use::next_in_use(bool& flag) : flag_(flag) {
    if (flag) {
        throw std::system_error(errc::busy, "file_watch::next: another task waits in it: one at a time");
    }
    flag_ = true;
}

void refuse_closed_watch() {
    throw std::system_error(errc::closed, "file_watch: it was destroyed, or its reactor has ended");
}

}  // namespace detail

namespace {

task<> add_to(std::shared_ptr<detail::watch_state> state, std::string path, bool recursive) {
    co_await state->watcher().add(std::move(path), recursive);
}
task<file_event> next_of(std::shared_ptr<detail::watch_state> state) {
    file_event event = co_await state->watcher().next();
    co_return event;
}

}  // namespace

file_watch::file_watch() : state_(std::make_shared<detail::watch_state>()) {}

file_watch::~file_watch() { state_->close(); }

task<> file_watch::add(std::string path, bool recursive) {
    return add_to(state_, std::move(path), recursive);
}

bool file_watch::remove(const std::string& path) {
    detail::file_watcher* const watcher = state_->made();
    return watcher && watcher->remove(path);
}

std::size_t file_watch::size() const noexcept {
    const detail::file_watcher* const watcher = state_->made();
    return watcher ? watcher->size() : 0;
}

task<file_event> file_watch::next() { return next_of(state_); }

}  // namespace bight
