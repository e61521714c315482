#include <bight/os/fd_watch.hpp>

#include "fd_watch_state.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

bool fd_ready_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    return in_->wait(*this) ? finish_now() : true;
}

void fd_ready_awaiter::cancel() noexcept {
    in_->leave(*this);
    confirm_cancel();
}

void fd_ready_awaiter::describe(std::string& out) const {
    out += "fd " + std::to_string(fd_) + " to be ready for ";
    const char* between = "";
    const auto add = [&](fd_event one, const char* name) {
        if (!includes(interest_, one)) return;
        out += between;
        out += name;
        between = " or ";
    };
    add(fd_event::readable, "reading");
    add(fd_event::writable, "writing");
    add(fd_event::priority, "priority");
}

void fd_ready_awaiter::throw_error() const {
    throw std::system_error(error_, "wait for fd " + std::to_string(fd_));
}

}  // namespace detail

fd_watch::fd_watch(std::source_location where) : fd_watch(*reactor::current(where)) {}

fd_watch::fd_watch(reactor& on) : state_(new detail::fd_watch_state(on)) {}

fd_watch::~fd_watch() {
    home_.check_at_end("an fd_watch");
    state_->end();
}

void fd_watch::add_handler(int fd, fd_event interest, std::unique_ptr<detail::fd_handler> handler) {
    home_.check("an fd_watch");
    state_->add(fd, interest, std::move(handler));
}

bool fd_watch::set_interest(int fd, fd_event interest) {
    home_.check("an fd_watch");
    return state_->set_interest(fd, interest);
}

fd_event fd_watch::interest(int fd) const noexcept {
    const detail::watched_entry* const e = state_->find(fd);
    return e ? e->interest : fd_event::none;
}

bool fd_watch::contains(int fd) const noexcept {
    const detail::watched_entry* const e = state_->find(fd);
    return e && e->handler;
}

bool fd_watch::remove(int fd) noexcept {
    home_.check("an fd_watch");
    return state_->remove(fd);
}

std::vector<watched_fd> fd_watch::list() {
    home_.check("an fd_watch");
    return state_->list();
}

std::vector<watched_fd> fd_watch::remove_all() {
    home_.check("an fd_watch");
    return state_->remove_all();
}

}  // namespace bight
