#include "fd_watch_state.hpp"

#include "../core/platform.hpp"
#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/socket_calls.hpp"

#include <bight/core/error.hpp>

#include <cerrno>
#include <new>
#include <string>
#include <utility>

namespace bight::detail {

namespace {

std::system_error failure(int error, int fd) {
    return {system_error_code(error), "watch fd " + std::to_string(fd)};
}

std::exception_ptr closed_unnoticed(int fd) noexcept {
    try {
        return std::make_exception_ptr(std::system_error(
            system_error_code(EBADF),
            "fd " + std::to_string(fd) + " was closed while it was watched, and may be another file now"));
    } catch (...) {
        return std::current_exception();
    }
}

}  // namespace

fd_watch_state::fd_watch_state(reactor& home) noexcept : home_(home), next_(*this) {
    on = this;
    kind = operation_kind::poll_read;
    never_waits = true;  // no call is made on it: its mode need not change
}

// The kernel's object

void fd_watch_state::open() {
    if (is_open()) return;
    if (own_demux_) {
        throw std::system_error(
            errc::closed, "fd_watch: its reactor has gone, or this is a child of the process that ran it");
    }
    if (platform* const simulated = reactor_state::platform_of(home_)) {
        throw std::system_error(simulated->refuse("a real descriptor"), "fd_watch");
    }
    auto made = make_fd_poller();
    fd = made->handle();
    demultiplexer& d = demultiplexer_of(home_);
    try {
        d.attach(*this);
    } catch (...) {
        d.sockets().close(std::exchange(fd, invalid_handle));
        throw;
    }
    own_demux_ = &d;
    poller_ = std::move(made);
}

// In a child of fork(2) the registrations are the parent's, and the heir of its demultiplexer closes the
// copy.
void fd_watch_state::close() noexcept {
    if (demux) demux->detach(*this, true);
    poller_.reset();
}

// A descriptor was closed while its file lives on elsewhere, as a duplicate or in another process. The kernel
// goes on to tell of the file, and has no name left by which it could be taken back.
void fd_watch_state::reopen() noexcept {
    stale_ = left_over_ = false;
    close();
    own_demux_ = nullptr;
    looked_at_ = 0;
    try {
        open();
    } catch (...) {
        const std::exception_ptr why = std::current_exception();
        for (auto at = entries_.begin(); at != entries_.end(); at = entries_.begin()) {
            const std::shared_ptr<watched_entry> e = at->second;
            e->registered = fd_event::none;
            lose(*e, why);
        }
        return;
    }
    for (auto at = entries_.begin(); at != entries_.end();) {
        const std::shared_ptr<watched_entry> e = at->second;
        e->registered = fd_event::none;
        const int error = e->always_ready || ended_ ? 0 : update(*e);
        if (error < 0) lose(*e, closed_unnoticed(e->key.fd));
        at = entries_.upper_bound(e->key.fd);
    }
}

void fd_watch_state::end() noexcept {
    ended_ = true;
    for (const auto& [fd_of, e] : entries_) e->waiters.check_empty("an fd_watch");
    const entries all = std::exchange(entries_, {});
    looked_at_ = files_ = 0;
    close();
    drop();
}

// Entries

bool fd_watch_state::is_same(const watched_entry& e) noexcept {
    fd_identity now;
    return identify(e.key.fd, now) == 0 && now == e.file;
}

bool fd_watch_state::is_there(const watched_entry& e) const noexcept {
    if (!is_same(e)) return false;
    const bool registered = e.registered != fd_event::none && !e.always_ready;
    return !registered || !is_open() || poller_->knows(e.key, e.registered);
}

fd_event fd_watch_state::wanted(const watched_entry& e) noexcept {
    fd_event all = e.handler ? e.interest : fd_event::none;
    for (const fd_ready_awaiter& w : e.waiters) all |= w.interest_;
    return all;
}

void fd_watch_state::count(const watched_entry& e, int change) noexcept {
    constexpr fd_event of_files = fd_event::readable | fd_event::writable;
    if (!includes(e.registered, e.always_ready ? of_files : ~fd_event::none)) return;
    (e.always_ready ? files_ : looked_at_) += static_cast<std::size_t>(static_cast<std::ptrdiff_t>(change));
}

// Has the poller look for what somebody waits for. 0, or -errno: then nothing has changed.
int fd_watch_state::update(watched_entry& e) noexcept {
    const fd_event now = wanted(e);
    if (now == e.registered) return 0;
    if (!e.always_ready && is_open()) {
        const int done = poller_->change(e.key, e.registered, now);
        if (done < 0 && now == fd_event::none) {
            left_over_ = true;
        } else if (done < 0) {
            return done;
        }
        count(e, -1);
        if (done > 0) e.always_ready = true;
    } else {
        count(e, -1);
    }
    e.registered = now;
    count(e, 1);
    if (!in_turn_) wait_for_more();
    return 0;
}

// The entry of a number, made if need be; not registered yet. One whose file has gone is lost first.
std::shared_ptr<watched_entry> fd_watch_state::entry_of(int of) {
    if (const auto at = entries_.find(of); at != entries_.end()) {
        if (is_there(*at->second)) return at->second;
        lose(*std::shared_ptr(at->second), closed_unnoticed(of));
    }
    open();
    auto made = std::make_shared<watched_entry>(fd_key{of, ++serial_});
    if (const int error = identify(of, made->file); error < 0) throw failure(-error, of);
    entries_.emplace(of, made);
    return made;
}

void fd_watch_state::drop_entry(watched_entry& e) noexcept {
    e.handler.reset();
    (void)update(e);
    const auto at = entries_.find(e.key.fd);
    if (at != entries_.end() && at->second.get() == &e) entries_.erase(at);
}

void fd_watch_state::drop_if_unused(watched_entry& e) noexcept {
    if (!e.handler && e.waiters.empty()) drop_entry(e);
}

void fd_watch_state::add(int of, fd_event interest, std::unique_ptr<fd_handler> handler) {
    std::shared_ptr<fd_handler> shared = std::move(handler);
    const std::shared_ptr<watched_entry> e = entry_of(of);
    if (e->handler) {
        throw std::system_error(std::make_error_code(std::errc::file_exists),
                                "watch fd " + std::to_string(of) + ", which has a function already");
    }
    e->handler = std::move(shared);
    e->interest = interest;
    if (const int error = update(*e); error < 0) {
        e->handler.reset();
        drop_if_unused(*e);
        throw failure(-error, of);
    }
}

bool fd_watch_state::set_interest(int of, fd_event interest) {
    const auto at = entries_.find(of);
    if (at == entries_.end() || !at->second->handler) return false;
    const std::shared_ptr<watched_entry> e = at->second;
    if (!is_there(*e)) {
        lose(*e, closed_unnoticed(of));
        throw failure(EBADF, of);
    }
    const fd_event before = std::exchange(e->interest, interest);
    if (const int error = update(*e); error < 0) {
        e->interest = before;
        throw failure(-error, of);
    }
    return true;
}

bool fd_watch_state::remove(int of) noexcept {
    const auto at = entries_.find(of);
    if (at == entries_.end()) return false;
    const std::shared_ptr<watched_entry> e = at->second;
    while (fd_ready_awaiter* const w = e->waiters.pop_front()) w->end(errc::closed);
    const std::shared_ptr<fd_handler> destroyed_last = e->handler;
    drop_entry(*e);
    return true;
}

const watched_entry* fd_watch_state::find(int of) const noexcept {
    const auto at = entries_.find(of);
    return at == entries_.end() ? nullptr : at->second.get();
}

std::vector<watched_fd> fd_watch_state::list() {
    std::vector<watched_fd> all;
    all.reserve(entries_.size());
    for (auto at = entries_.begin(); at != entries_.end();) {
        const std::shared_ptr<watched_entry> e = at->second;
        if (!is_there(*e)) {
            lose(*e, closed_unnoticed(e->key.fd));
        } else if (e->handler) {
            all.push_back({e->key.fd, e->interest});
        }
        at = entries_.upper_bound(e->key.fd);
    }
    return all;
}

std::vector<watched_fd> fd_watch_state::remove_all() {
    std::vector<watched_fd> all = list();
    while (!entries_.empty()) remove(entries_.begin()->first);
    return all;
}

// Waiting tasks

bool fd_watch_state::wait(fd_ready_awaiter& w) noexcept {
    if (&w.home() != &home_) {
        w.error_ = errc::wrong_thread;
        return true;
    }
    if (w.interest_ == fd_event::none) {
        w.error_ = system_error_code(EINVAL);
        return true;
    }
    std::shared_ptr<watched_entry> e;
    try {
        open();
        const int ready = ready_now(w.fd_, w.interest_);
        if (ready < 0) throw failure(-ready, w.fd_);
        if (ready > 0) {
            w.interest_ = static_cast<fd_event>(ready);
            return true;
        }
        e = entry_of(w.fd_);
    } catch (const std::system_error& error) {
        w.error_ = error.code();
        return true;
    } catch (const std::bad_alloc&) {
        w.error_ = std::make_error_code(std::errc::not_enough_memory);
        return true;
    }
    e->waiters.push_back(w);
    const int error = update(*e);
    if (error == 0) return false;
    e->waiters.remove(w);
    drop_if_unused(*e);
    w.error_ = system_error_code(-error);
    return true;
}

void fd_watch_state::leave(fd_ready_awaiter& w) noexcept {
    const auto at = entries_.find(w.fd_);
    if (at == entries_.end()) return;
    const std::shared_ptr<watched_entry> e = at->second;
    e->waiters.remove(w);
    (void)update(*e);
    drop_if_unused(*e);
}

// Turns

// It is awaited as long as something is looked at. What is ready at once is told in the next turn: whoever
// adds a descriptor is not called meanwhile.
void fd_watch_state::wait_for_more() noexcept {
    if (ended_ || !is_open()) return;
    if (files_ > 0) ask_for_turn();
    if (looked_at_ == 0) {
        if (in_flight && !cancel_asked) (void)demux->cancel(*this);
    } else if (!in_flight && !next_.asked_for) {
        ++demux->operations;
        poller_->prepare();
        if (demux->start(*this)) ask_for_turn();
    }
}

void fd_watch_state::ask_for_turn() noexcept {
    if (std::exchange(next_.asked_for, true)) return;
    keep();
    reactor_access::schedule(home_, next_);
    reactor_access::poll_soon(home_);  // what never waits must not hold up the others
}

void fd_watch_state::next_turn::run() noexcept {
    asked_for = false;
    of_.take_turn();
    of_.drop();
}

// After a cancellation, and when the reactor goes, there is nothing to be told.
void fd_watch_state::completed() noexcept {
    if (result < 0) {
        if (!ended_) wait_for_more();
        return;
    }
    take_turn();
}

void fd_watch_state::take_turn() noexcept {
    if (ended_ || !is_open()) return;
    in_turn_ = true;
    fd_poller::told all[64];
    const std::size_t count = looked_at_ > 0 ? poller_->take(all, 64) : 0;
    for (std::size_t i = 0; i < count && !ended_; ++i) tell(all[i].key, all[i].ready, all[i].closed);
    if (!ended_ && files_ > 0) tell_files();
    in_turn_ = false;
    if (ended_) return;
    if (stale_) reopen();
    wait_for_more();
}

void fd_watch_state::tell_files() noexcept {
    for (auto at = entries_.begin(); at != entries_.end() && !ended_;) {
        const fd_key key = at->second->key;
        if (at->second->always_ready) tell(key, fd_event::readable | fd_event::writable, false);
        if (ended_) return;
        at = entries_.upper_bound(key.fd);
    }
}

// What was removed meanwhile is not there any more, and what was added under its number has another serial.
void fd_watch_state::tell(fd_key key, fd_event ready, bool closed) noexcept {
    const auto at = entries_.find(key.fd);
    if (at == entries_.end() || at->second->key.serial != key.serial) {
        stale_ = left_over_;
        return;
    }
    const std::shared_ptr<watched_entry> e = at->second;
    if (closed || !is_same(*e)) {
        if (!closed) left_over_ = stale_ = true;
        lose(*e, closed_unnoticed(key.fd));
        return;
    }
    bool any_left = false;
    wait_list<fd_ready_awaiter> waiting;
    while (fd_ready_awaiter* const w = e->waiters.pop_front()) {
        if (includes(ready, w->interest_)) {
            w->interest_ &= ready;
            w->end({});
            any_left = true;
        } else {
            waiting.push_back(*w);
        }
    }
    while (fd_ready_awaiter* const w = waiting.pop_front()) e->waiters.push_back(*w);
    if (any_left) {
        (void)update(*e);
        drop_if_unused(*e);
    }
    if (e->handler && includes(ready, e->interest)) call(e, ready & e->interest);
}

void fd_watch_state::call(const std::shared_ptr<watched_entry>& e, fd_event ready) noexcept {
    reactor_state::leave_task(home_);
    const std::shared_ptr<fd_handler> called = e->handler;  // it may remove itself
    bool keeps = true;
    std::exception_ptr failed;
    try {
        keeps = called->ready(ready);
    } catch (...) {
        failed = std::current_exception();
    }
    if (e->handler == called && !ended_) {
        if (!keeps || failed) end_handler(*e, failed);
    } else if (failed) {
        report_error({failed, "the function of fd " + std::to_string(e->key.fd), {}});
    }
}

// The functions are told when everything is as it will be: they may add the descriptor again.
void fd_watch_state::end_handler(watched_entry& e, const std::exception_ptr& reason) noexcept {
    const std::shared_ptr<fd_handler> told = std::move(e.handler);
    const int of = e.key.fd;
    (void)update(e);
    drop_if_unused(e);
    if (told && !told->lost(reason)) report_error({reason, "the function of fd " + std::to_string(of), {}});
}

void fd_watch_state::lose(watched_entry& e, const std::exception_ptr& reason) noexcept {
    while (fd_ready_awaiter* const w = e.waiters.pop_front()) w->end(system_error_code(EBADF));
    end_handler(e, reason);
}

}  // namespace bight::detail
