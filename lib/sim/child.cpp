#include <bight/sim/child.hpp>

#include "child_signals.hpp"
#include "host_state.hpp"
#include "process_table.hpp"
#include "simulated_processes.hpp"
#include "world_state.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>
#include <bight/sim/allocation_fault.hpp>
#include <bight/sync/event.hpp>

#include <cerrno>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

namespace bight::sim {

using detail::process_state;

namespace {

[[noreturn]] void refuse_of_child(int error, const process_state& is, const std::string& what) {
    throw std::system_error(bight::detail::system_error_code(error), "child " + is.name() + ": " + what);
}

}  // namespace

child::child(std::shared_ptr<process_state> is) : is_(std::move(is)) {}
child::~child() = default;

int child::id() const noexcept { return is_->id; }
const std::vector<std::string>& child::arguments() const noexcept { return is_->arguments; }
const std::vector<std::string>& child::environment() const noexcept { return is_->environment; }
const std::string& child::directory() const noexcept { return is_->directory; }

std::optional<std::string_view> child::variable(std::string_view name) const noexcept {
    for (const std::string& text : is_->environment) {
        const std::string_view all = text;
        if (all.size() > name.size() && all.starts_with(name) && all[name.size()] == '=') {
            return all.substr(name.size() + 1);
        }
    }
    return std::nullopt;
}

std::vector<int> child::descriptors() const {
    std::vector<int> all;
    for (const auto& [number, fd] : is_->descriptors) {
        if (is_->host.find(fd)) all.push_back(number);
    }
    return all;
}

int child::native_handle(int number) const {
    const auto at = is_->descriptors.find(number);
    if (at == is_->descriptors.end() || !is_->host.find(at->second)) {
        refuse_of_child(EBADF, *is_, "it has no descriptor " + std::to_string(number));
    }
    return at->second;
}

stream& child::descriptor(int number) {
    if (const auto known = streams_.find(number); known != streams_.end()) return known->second;
    const int fd = native_handle(number);
    const std::string what = "descriptor " + std::to_string(number);
    if (!is_->host.find(fd)->pipe) {
        refuse_of_child(EINVAL, *is_, what + " is no pipe: connect to \"fd:\" with its native_handle");
    }
    stream made = detail::stream_of_end(*is_, fd, what + " of " + is_->name());
    return streams_.emplace(number, std::move(made)).first->second;
}

void child::close(int number) noexcept {
    streams_.erase(number);
    const auto at = is_->descriptors.find(number);
    if (at == is_->descriptors.end()) return;
    is_->host.close(at->second);
    is_->descriptors.erase(at);
}

void child::ignore(int signal) {
    if (!detail::can_be_handled(signal)) {
        refuse_of_child(EINVAL, *is_, "signal " + std::to_string(signal) + " cannot be ignored");
    }
    is_->ignored.insert(signal);
}

task<> child::raise(int signal) {
    manual_reset_event never;
    if (!detail::is_signal(signal)) {
        refuse_of_child(EINVAL, *is_, "there is no signal " + std::to_string(signal));
    }
    (void)is_->host.processes.signal(*is_, signal);
    if (is_->dies_by != 0) co_await never.wait();
}

namespace detail {

namespace {

void say_on(process_state& is, int number, const std::string& text) {
    const auto at = is.descriptors.find(number);
    const auto s = at == is.descriptors.end() ? nullptr : is.host.find(at->second);
    if (s && s->pipe) (void)write_end(is.host.world, *s, text);
}

}  // namespace

task<> child_access::play(std::shared_ptr<process_state> is, child_program& what) {
    // Also when its own program stops the reactor, which cancels this.
    struct leaves {
        explicit leaves(process_state& p) noexcept : which(p) {}
        leaves(const leaves&) = delete;
        leaves& operator=(const leaves&) = delete;
        ~leaves() { which.leaving = true; }
        process_state& which;
    } leaving{*is};
    {
        child self(is);
        std::string error;
        try {
            const int code = co_await what.play(self);
            is->exit_code = code & 0xff;
        } catch (const std::system_error& e) {
            error = e.what();
            if (e.code() == std::errc::broken_pipe) is->dies_by = broken_pipe_signal;
        } catch (const std::exception& e) {
            error = e.what();
        } catch (...) {
            error = "an exception that is no std::exception";
        }
        if (!error.empty() && is->dies_by == 0) {
            say_on(*is, 2, is->arguments.front() + ": " + error + "\n");
        }
    }
}

}  // namespace detail

}  // namespace bight::sim
