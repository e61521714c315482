#include <bight/os/process.hpp>

#include "child_launch.hpp"
#include "child_process.hpp"
#include "command_name.hpp"
#include "pseudo_terminal.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight {

namespace detail {

namespace {

task<process_status> wait_for(child_reference child) {
    if (!child->over()) co_await child->ended().wait();
    co_return child->status();
}

task<process_status> wait_for_all(child_reference child) {
    if (!child->over() || !child->drained().is_set()) co_await child->drained().wait();
    co_return child->status();
}

task<process_status> end_child(child_reference child, duration longest) {
    if (!child->over() && longest > duration::zero()) {
        child->ask_to_end();
        (void)co_await try_with_timeout(child->ended().wait(), longest);
    }
    if (!child->over()) {
        const int error = child->send(signal_to_kill);
        if (error != 0 && error != ESRCH) {
            throw std::system_error(system_error_code(error), "process: kill " + child->name());
        }
        // Nothing withstands that, but it takes real time.
        std::optional<outside_work> outside;
        if (!demultiplexer_of(child->home()).simulated()) outside.emplace(child->home());
        co_await child->ended().wait();
    }
    co_return child->status();
}

[[noreturn]] void used_elsewhere() noexcept {
    std::fputs("bight: a process was destroyed on another thread than its reactor's, which runs\n", stderr);
    std::abort();
}

bool is_elsewhere(const child_process& c) noexcept {
    return !c.over() && !c.in_forked_child() && reactor::current() != &c.home() &&
           reactor_state::runs(c.home());
}

}  // namespace

}  // namespace detail

process process::spawn(const command& what) {
    std::vector<detail::child_stream> pipes;
    detail::child_process& child = detail::launch_child(what, pipes);
    return process(child, std::move(pipes));
}

process& process::operator=(process&& other) noexcept {
    if (this != &other) {
        drop();
        child_ = std::exchange(other.child_, nullptr);
        pipes_ = std::move(other.pipes_);
    }
    return *this;
}

// The pipes first: a child that reads sees their ends.
void process::drop() noexcept {
    detail::child_process* const child = std::exchange(child_, nullptr);
    if (child && detail::is_elsewhere(*child)) detail::used_elsewhere();
    if (child && child->in_forked_child()) {  // where streams look at their reactor, which may be gone
        for (const detail::child_stream& p : pipes_) {
            if (p.side) p.side.lower().forget();
        }
    }
    pipes_.clear();
    if (child) child->handle_gone();
}

void process::detach() {
    child();
    pipes_.clear();
    std::exchange(child_, nullptr)->detach();
}

detail::child_process& process::child() const {
    if (!child_) throw std::system_error(detail::system_error_code(EBADF), "process: an empty handle");
    if (detail::is_elsewhere(*child_)) {
        throw std::system_error(errc::wrong_thread,
                                "process: " + child_->name() + " belongs to the reactor of another thread");
    }
    return *child_;
}

int process::id() const { return static_cast<int>(child().pid()); }

stream& process::pipe(int number) & {
    const detail::child_process& c = child();
    for (detail::child_stream& p : pipes_) {
        if (p.number == number && number >= 0) return p.side;
    }
    throw std::system_error(detail::system_error_code(EBADF),
                            "process: there is no pipe to " + detail::descriptor_of(number, c.name()) +
                                " (its command has neither pipe_from(" + std::to_string(number) +
                                ") nor pipe_to(" + std::to_string(number) + "))");
}

stream& process::terminal() & {
    const detail::child_process& c = child();
    for (detail::child_stream& p : pipes_) {
        if (p.number == detail::terminal_number) return p.side;
    }
    throw std::system_error(detail::system_error_code(EBADF), "process: " + c.name() + " has no terminal");
}

void process::resize_terminal(window_size size) {
    const int kept = child().terminal();  // also when the stream was moved out
    const int at = kept >= 0 ? kept : terminal().native_handle();
    if (const int error = detail::resize_terminal(at, size); error != 0) {
        throw std::system_error(detail::system_error_code(error),
                                "process: resize the terminal of " + child().name());
    }
}

task<process_status> process::wait() { return detail::wait_for(detail::child_reference(child())); }

task<process_status> process::wait_drained() {
    return detail::wait_for_all(detail::child_reference(child()));
}

std::optional<process_status> process::status() const {
    const detail::child_process& c = child();
    if (!c.over()) return std::nullopt;
    return c.status();
}

bool process::kill(int signal) {
    detail::child_process& c = child();
    const int error = c.send(signal);
    if (error == 0) return true;
    if (error == ESRCH) return false;
    throw std::system_error(detail::system_error_code(error),
                            "process: send signal " + std::to_string(signal) + " to " + c.name());
}

task<process_status> process::end(duration longest) {
    return detail::end_child(detail::child_reference(child()), longest);
}

}  // namespace bight
