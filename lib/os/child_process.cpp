#include "child_process.hpp"

#include "child_signal.hpp"
#include "child_wait.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

void child_awaiter::cancel() noexcept {
    on_->waiters_.remove(*this);
    confirm_cancel();
}

bool child_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (on_->set_) return finish_now();
    on_->waiters_.push_back(*this);
    return true;
}

void child_awaiter::describe(std::string& out) const {
    const child_process& of = on_->of_;
    if (!of.over()) out += "the end of " + of.name() + " (process " + std::to_string(of.pid()) + ")";
    if (on_->is_ != child_event::what::end_and_pipes || of.open_pipes() == 0) return;
    out += of.over() ? "the ends of " : ", and ";
    out += std::to_string(of.open_pipes()) + (of.open_pipes() == 1 ? " pipe" : " pipes") + " from ";
    out += of.over() ? of.name() : std::string("it");
    out += ", which somebody must read to the end";
}

void child_process::begin(pid_t pid) {
    pid_ = pid;
    try {
        const int opened = calls_.open_pidfd(pid);
        if (opened >= 0) {
            fd = opened;
            is_non_blocking = true;
            demultiplexer_of(home_).attach(*this);
            wait_again();
        } else if (!is_here()) {  // the kernel has reaped it: the program ignores SIGCHLD
            lost_ = ECHILD;
            reaped_ = true;
            end_of_wait();
        } else if (has_no_pidfds(-opened)) {
            signals_ = &child_signal::of(home_);
            signals_->add(*this);
            look();  // it may have ended before
        } else {
            throw std::system_error(system_error_code(-opened), "process: the wait for " + name_);
        }
    } catch (...) {
        kill_and_reap();
        if (fd >= 0) calls_.close(static_cast<int>(std::exchange(fd, -1)));
        throw;
    }
}

void child_process::wait_again() noexcept {
    ++demux->operations;
    if (demux->start(wait_)) waited();
}

void child_process::waited() noexcept {
    if (over_ || !demux) return;  // it was abandoned
    if (wait_.result < 0) {
        lose(wait_.error());
    } else if (!learn()) {
        wait_again();
    }
}

// ECHILD: its number may be another's by now. Otherwise it lives, and nobody would ever reap it.
void child_process::lose(int error) noexcept {
    if (over_ || (error != ECHILD && learn())) return;
    if (error != ECHILD) kill_and_reap();
    lost_ = error;
    reaped_ = true;
    end_of_wait();
}

void child_process::look() noexcept {
    if (!over_) (void)learn();
}

// False while it lives. The members of a group must not lose its number to others before they have ended.
bool child_process::learn() noexcept {
    const bool reap = !leads_group_;
    const int error = calls_.query(pid_, reap, status_);
    if (error == EAGAIN) return false;
    lost_ = error;
    reaped_ = reap || error != 0;
    end_of_wait();
    return true;
}

void child_process::end_of_wait() noexcept {
    retain();
    over_ = true;
    close_terminal();
    if (demux) demux->detach(*this, true);
    if (child_signal* const from = std::exchange(signals_, nullptr)) from->remove(*this);
    ended_.set();
    look_drained();
    if (!has_handle_) reap_group();
    if (std::exchange(ending_, false)) {
        reactor_access::disarm_grace(home_, *this);
        release();
    }
    if (std::exchange(holds_itself_, false)) release();
    release();
}

void child_process::look_drained() noexcept {
    if (over_ && open_pipes_ == 0) drained_.set();
}

void child_process::pipe_has_ended() noexcept {
    --open_pipes_;
    look_drained();
    release();
}

void child_process::reap_group() noexcept {
    if (!over_ || in_forked_child() || std::exchange(reaped_, true)) return;
    (void)calls_.signal_group(pid_, SIGKILL);
    calls_.reap(pid_);
}

bool child_process::is_here() const noexcept {
    process_status how;
    return calls_.query(pid_, false, how) != ECHILD;
}

// A wait for one that must not be killed would have no end: it is left to whoever inherits it.
void child_process::kill_and_reap() noexcept {
    over_ = reaped_ = true;
    close_terminal();
    int error = fd < 0 && !is_here() ? ESRCH : 0;
    if (error == 0) error = calls_.signal(pid_, static_cast<int>(fd), leads_group_, SIGKILL);
    if (error == EPERM) {
        lost_ = error;
        leave_alone();
    } else if (error == ESRCH) {
        lost_ = ECHILD;
    } else {
        calls_.reap(pid_);
        status_ = process_status::killed(SIGKILL);
    }
}

// The run does not wait for it any more.
void child_process::leave_alone() noexcept {
    if (!std::exchange(left_alone_, true)) {
        try {
            log(log_level::warning, "process: " + name_ + " must not be killed, and is left (EPERM)");
        } catch (const std::bad_alloc&) {  // there is nobody to tell
        }
    }
    if (std::exchange(ending_, false)) {
        reactor_access::disarm_grace(home_, *this);
        holds_itself_ = true;
    }
}

void child_process::close_terminal() noexcept {
    if (terminal_ >= 0) ::close(std::exchange(terminal_, -1));
}

// The reactor, or its demultiplexer, goes: nobody else would reap the child.
void child_process::abandoned() noexcept {
    signals_ = nullptr;
    if (over_) return;
    if (in_forked_child()) {
        over_ = reaped_ = true;  // here: the parent's goes on
        lost_ = ECHILD;
        close_terminal();
    } else {
        kill_and_reap();
    }
    if (std::exchange(holds_itself_, false)) release();
}

const process_status& child_process::status() const {
    if (lost_ == 0) return status_;
    std::string text = "process: how " + name_ + " has ended";
    if (lost_ == ECHILD) {
        text += " (somebody else has waited for it, or the program ignores SIGCHLD)";
    }
    throw std::system_error(system_error_code(lost_), text);
}

int child_process::send(int signal) noexcept {
    if (in_forked_child() || (over_ && reaped_)) return ESRCH;
    if (over_) return calls_.signal_group(pid_, signal);
    return calls_.signal(pid_, static_cast<int>(fd), leads_group_, signal);
}

void child_process::ask_to_end() noexcept {
    if (send(SIGTERM) == 0) (void)send(SIGCONT);
}

void child_process::handle_gone() noexcept {
    has_handle_ = false;
    if (over_) {
        reap_group();
    } else if (!in_forked_child()) {
        retain();
        ending_ = true;
        reactor_access::arm_grace(home_, *this, patience_);
        if (patience_ > duration::zero()) {
            ask_to_end();
        } else {
            expired();
        }
    }
    release();
}

void child_process::expired() noexcept {
    killed_ = true;
    if (patience_ > duration::zero()) {
        try {
            log(log_level::warning, "process: " + name_ + " has not ended after SIGTERM, and is killed");
        } catch (const std::bad_alloc&) {  // there is nobody to tell
        }
    }
    if (send(SIGKILL) == EPERM) leave_alone();
}

void child_process::limit(time_point latest) noexcept {
    if (!killed_ && (!armed() || deadline() > latest)) reactor_access::arm(home_, *this, latest);
}

}  // namespace bight::detail
