#include "child_process.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

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

void child_process::end_of_wait() noexcept {
    retain();
    over_ = true;
    close_terminal();
    stop_waiting();
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

// Whoever reads them takes the end for that of a child that had no more to say.
void child_process::warn_of_streams() const noexcept {
    try {
        log(log_level::warning, "process: the handle of " + name_ +
                                    " has gone while it runs and streams of it are open: it is ended. Keep "
                                    "the handle until the streams have ended, or detach() it");
    } catch (const std::bad_alloc&) {  // there is nobody to tell
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

// The reactor, or its demultiplexer, goes: nobody else would reap the child.
void child_process::abandoned() noexcept {
    signals_ = nullptr;
    if (over_) return;
    if (in_forked_child()) {
        over_ = reaped_ = true;  // here: the parent's goes on
        lost_ = ECHILD;
        close_terminal();
    } else if (detached_) {
        over_ = reaped_ = true;  // by whoever inherits it
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

void child_process::handle_gone() noexcept {
    has_handle_ = false;
    if (over_) {
        reap_group();
    } else if (!in_forked_child()) {
        if (open_pipes_ > 0) warn_of_streams();
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

// Its end is noticed as long as there is the reactor, and the run does not wait for it.
void child_process::detach() noexcept {
    has_handle_ = false;
    detached_ = true;
    let_group_live();
    if (over_) {
        reap_group();
    } else if (!in_forked_child()) {
        retain();
        holds_itself_ = true;
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
    if (send(signal_to_kill) == EPERM) leave_alone();
}

void child_process::limit(time_point latest) noexcept {
    if (!killed_ && (!armed() || deadline() > latest)) reactor_access::arm(home_, *this, latest);
}

}  // namespace bight::detail
