#include "child_process.hpp"

#include "child_signal.hpp"
#include "child_wait.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/descriptor_calls.hpp"

#include <bight/core/error.hpp>

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace bight::detail {

// A filter may refuse pidfds with any of these; without memory or descriptors there is none now.
static bool has_no_pidfds(int error) noexcept {
    return error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL;
}

void child_process::begin(pid_t pid) {
    pid_ = pid;
    try {
        const int opened = uses_pidfd ? open_pidfd(pid) : -ENOSYS;
        if (opened >= 0) {
            fd = opened;
            is_non_blocking = true;
            try {
                demultiplexer_of(home_).attach(*this);
            } catch (...) {
                close_descriptor(std::exchange(fd, -1));
                throw;
            }
            wait_again();
        } else if (has_no_pidfds(-opened)) {
            signals_ = &child_signal::of(home_);
            signals_->add(*this);
            look();  // it may have ended before
        } else {
            throw std::system_error(system_error_code(-opened), "process: the wait for " + name_);
        }
    } catch (...) {
        kill_and_reap();
        throw;
    }
}

void child_process::wait_again() noexcept {
    ++demux->operations;
    if (demux->start(wait_)) waited();
}

void child_process::waited() noexcept {
    if (over_ || !demux) return;  // it was abandoned
    if (wait_.result < 0) {       // its number may be another's by now
        lost_ = wait_.error();
        reaped_ = true;
        end_of_wait();
    } else if (!learn()) {
        wait_again();
    }
}

void child_process::look() noexcept {
    if (!over_) (void)learn();
}

// False while it lives. The members of a group must not lose its number to others before they have ended.
bool child_process::learn() noexcept {
    const bool reap = !leads_group_;
    const int error = query_child(pid_, reap, status_);
    if (error == EAGAIN) return false;
    lost_ = error;
    reaped_ = reap || error != 0;
    end_of_wait();
    return true;
}

void child_process::end_of_wait() noexcept {
    retain();
    over_ = true;
    if (demux) demux->detach(*this, true);
    if (child_signal* const from = std::exchange(signals_, nullptr)) from->remove(*this);
    ended_.set();
    look_drained();
    if (!has_handle_) reap_group();
    if (std::exchange(ending_, false)) {
        reactor_access::disarm_grace(home_, *this);
        release();
    }
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
    if (!over_ || std::exchange(reaped_, true)) return;
    ::kill(-pid_, SIGKILL);
    reap_child(pid_);
}

void child_process::kill_and_reap() noexcept {
    over_ = reaped_ = true;
    ::kill(leads_group_ ? -pid_ : pid_, SIGKILL);
    reap_child(pid_);
    status_ = process_status::killed(SIGKILL);
}

// The reactor, or its demultiplexer, goes: nobody else would reap the child.
void child_process::abandoned() noexcept {
    signals_ = nullptr;
    if (over_ || reactor_state::in_forked_child(home_)) return;
    kill_and_reap();
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
    if (over_) return ESRCH;
    return signal_child(pid_, static_cast<int>(fd), leads_group_, signal);
}

void child_process::ask_to_end() noexcept {
    if (send(SIGTERM) == 0) (void)send(SIGCONT);
}

void child_process::handle_gone() noexcept {
    has_handle_ = false;
    const bool is_ours = over_ || !reactor_state::in_forked_child(home_);
    if (over_) {
        reap_group();
    } else if (is_ours) {
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
    (void)send(SIGKILL);
}

void child_process::limit(time_point latest) noexcept {
    if (!killed_ && (!armed() || deadline() > latest)) reactor_access::arm(home_, *this, latest);
}

}  // namespace bight::detail
