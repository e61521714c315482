#include <bight/core/error.hpp>

#include "frame_lines.hpp"
#include "job_notes.hpp"
#include "platform.hpp"
#include "process.hpp"
#include "reactor_state.hpp"
#include "system_code.hpp"
#include "system_error.hpp"
#include "without_sigpipe.hpp"

#include <bight/core/detail/job.hpp>
#include <bight/core/reactor.hpp>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <utility>
#include <vector>

namespace bight {

namespace {

// Both handlers with their contexts, which are read and written under a lock.
struct handlers final : detail::fork_aware {
    void before_fork() noexcept override { lock.lock(); }
    void in_parent() noexcept override { lock.unlock(); }
    void in_child() noexcept override { lock.unlock(); }

    std::mutex lock;
    error_handler error = nullptr;
    void* error_context = nullptr;
    log_handler log = nullptr;
    void* log_context = nullptr;
    detail::fork_watch forks{*this};
};

handlers& installed() {
    static handlers all;
    return all;
}

struct error_listener {
    error_handler handler;
    void* context;
};

error_listener listener_for_errors() noexcept {
    handlers& all = installed();
    const std::lock_guard hold(all.lock);
    return {all.error, all.error_context};
}

void print(const std::string& text) noexcept {
    [[maybe_unused]] const detail::without_sigpipe alive{};
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

// See error_report::peer_went_away.
bool peer_went_away(const std::exception_ptr& error) noexcept {
    const std::error_code code = detail::system_code_of(error);
    return code == std::errc::connection_reset || code == std::errc::broken_pipe ||
           code == errc::backlog_exceeded;
}

// A peer that went away is one line.
void print_report(const error_report& report) {
    std::string text = "bight: " + report.to_string();
    if (report.peer_went_away) {
        text.resize(text.find('\n'));
        if (reactor* const here = reactor::current()) {
            const std::uint64_t others = detail::reactor_state::news_of_peers(*here).take_held_back();
            if (others > 0)
                text += " (" + std::to_string(others) + " more peers went away since the last such line)";
        }
        text += '\n';
    }
    print(text);
}

// Errors that arise while the tasks of a crashed simulated host are unwound are not reported.
bool nobody_is_told() noexcept {
    const detail::platform* const here = detail::platform::current();
    return here && here->has_crashed();
}

}  // namespace

// Shared by copies, because copying an exception must not throw.
struct aggregate_error::contents {
    std::vector<std::exception_ptr> errors;
    std::string message;
    std::atomic<int> references{1};
};

aggregate_error::aggregate_error(std::span<const std::exception_ptr> errors) {
    auto made = std::make_unique<contents>();
    made->errors.assign(errors.begin(), errors.end());
    made->message = std::to_string(errors.size()) + " tasks failed:";
    for (const auto& error : made->errors) made->message += " [" + detail::describe_error(error) + "]";
    contents_ = made.release();
}
aggregate_error::aggregate_error(const aggregate_error& other)
    : std::exception(other), contents_(other.contents_) {
    contents_->references.fetch_add(1, std::memory_order_relaxed);
}
aggregate_error::~aggregate_error() {
    if (contents_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete contents_;
}
const char* aggregate_error::what() const noexcept { return contents_->message.c_str(); }
std::span<const std::exception_ptr> aggregate_error::errors() const noexcept { return contents_->errors; }

std::string error_report::to_string() const {
    std::string out = "error in " + std::string(task) + ": " + detail::describe_error(error) + "\n";
    detail::frame_lines lines(2);
    for (const auto& line : trace) lines.add(line);
    return out + std::move(lines).take();
}

void set_error_handler(error_handler handler, void* context) noexcept {
    handlers& all = installed();
    const std::lock_guard hold(all.lock);
    all.error = handler;
    all.error_context = context;
}

void set_log_handler(log_handler handler, void* context) noexcept {
    handlers& all = installed();
    const std::lock_guard hold(all.lock);
    all.log = handler;
    all.log_context = context;
}

namespace detail {

const std::error_category& errno_category() noexcept { return system_error_code(0).category(); }

void report_error(const error_report& report) noexcept {
    if (nobody_is_told()) return;
    const error_listener to = listener_for_errors();
    try {
        if (to.handler) {
            to.handler(report, to.context);
        } else {
            print_report(report);
        }
    } catch (...) {
        std::fputs("bight: an error could not be reported (out of memory, or the error handler threw)\n",
                   stderr);
    }
}

namespace {

void report_with_trace(const job& j, const std::exception_ptr& error, std::string_view name,
                       bool gone) noexcept {
    try {
        std::string task(name);
        if (name.empty()) j.describe_with_name(task);
        const job_notes* const notes = j.notes();
        const bool known = notes && notes->error == error;
        report_error({error, task,
                      known ? std::span<const std::source_location>(notes->trace)
                            : std::span<const std::source_location>(),
                      gone});
    } catch (...) {
        report_error({error, "a task", {}, gone});
    }
}

}  // namespace

void report_job_error(const job& j, const std::exception_ptr& error, std::string_view name) noexcept {
    report_with_trace(j, error, name, false);
}

void report_connection_error(const job& j, const std::exception_ptr& error) noexcept {
    const bool gone = peer_went_away(error);
    if (gone) {
        reactor& home = j.home();
        reactor_state::count_peer_gone(home);
        // Peers may go away by the thousand, so what nobody will read is not put into words.
        if (!listener_for_errors().handler && !reactor_state::news_of_peers(home).lets_through(home.now()))
            return;
    }
    report_with_trace(j, error, {}, gone);
}

std::exception_ptr error_from(errc code, const char* what) noexcept {
    try {
        throw std::system_error(code, what);
    } catch (...) {
        return std::current_exception();
    }
}

void log(log_level level, std::string_view message) noexcept {
    if (nobody_is_told()) return;
    log_handler handler = nullptr;
    void* context = nullptr;
    {
        handlers& all = installed();
        const std::lock_guard hold(all.lock);
        handler = all.log;
        context = all.log_context;
    }
    try {
        if (handler) {
            handler(level, message, context);
        } else if (level == log_level::warning) {
            print("bight: warning: " + std::string(message) + "\n");
        } else if (level == log_level::requested) {
            print("bight: " + std::string(message) + "\n");
        }
    } catch (...) {
        std::fputs("bight: a message could not be logged\n", stderr);
    }
}

std::string printable(std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    std::string shown;
    shown.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            shown += c;
        } else {
            shown += "\\x";
            shown += digits[byte >> 4];
            shown += digits[byte & 15];
        }
    }
    return shown;
}

std::string describe_error(const std::exception_ptr& error) {
    if (!error) return "no error";
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception that is no std::exception";
    }
}

}  // namespace detail
}  // namespace bight
