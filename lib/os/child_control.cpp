// What child_process does by process_calls: those of systems with fork(2), and of simulated hosts.
#include "child_process.hpp"
#include "child_signal.hpp"
#include "child_wait.hpp"
#include "process_calls.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bight::detail {

void child_process::begin(const started_child& child) {
    pid_ = child.number;
    try {
        const int opened = calls_->open_pidfd(pid_);
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
        if (fd >= 0) calls_->close(static_cast<int>(std::exchange(fd, -1)));
        throw;
    }
}

// False while it lives. The members of a group must not lose its number to others before they have ended.
bool child_process::learn() noexcept {
    const bool reap = !leads_group_;
    const int error = calls_->query(pid_, reap, status_);
    if (error == EAGAIN) return false;
    lost_ = error;
    reaped_ = reap || error != 0;
    end_of_wait();
    return true;
}

void child_process::stop_waiting() noexcept {
    if (demux) demux->detach(*this, true);
    if (child_signal* const from = std::exchange(signals_, nullptr)) from->remove(*this);
}

void child_process::reap_group() noexcept {
    if (!over_ || in_forked_child() || std::exchange(reaped_, true)) return;
    if (!detached_) (void)calls_->signal_group(pid_, SIGKILL);
    calls_->reap(pid_);
}

void child_process::let_group_live() noexcept {}

bool child_process::is_here() const noexcept {
    process_status how;
    return calls_->query(pid_, false, how) != ECHILD;
}

// A wait for one that must not be killed would have no end: it is left to whoever inherits it.
void child_process::kill_and_reap() noexcept {
    over_ = reaped_ = true;
    close_terminal();
    int error = fd < 0 && !is_here() ? ESRCH : 0;
    if (error == 0) error = calls_->signal(pid_, static_cast<int>(fd), leads_group_, SIGKILL);
    if (error == EPERM) {
        lost_ = error;
        leave_alone();
    } else if (error == ESRCH) {
        lost_ = ECHILD;
    } else {
        calls_->reap(pid_);
        status_ = process_status::killed(SIGKILL);
    }
}

void child_process::close_terminal() noexcept {
    if (terminal_ >= 0) ::close(std::exchange(terminal_, -1));
}

int child_process::send(int signal) noexcept {
    if (in_forked_child() || (over_ && reaped_)) return ESRCH;
    if (over_) return calls_->signal_group(pid_, signal);
    return calls_->signal(pid_, static_cast<int>(fd), leads_group_, signal);
}

void child_process::ask_to_end() noexcept {
    if (send(SIGTERM) == 0) (void)send(SIGCONT);
}

}  // namespace bight::detail
