// Error codes, and the handlers of unhandled errors and of log messages.
#pragma once

#include <bight/core/export.hpp>

#include <exception>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace BIGHT_EXPORT bight {

/// Errors for which the operating system has no number. System errors keep their number: on POSIX systems an
/// errno, in std::system_category(); on Windows the code of Windows, in a category of bight's own, whose
/// codes equal the std::errc that they stand for (std::errc::connection_reset, …). So code for all systems
/// compares with std::errc.
enum class errc {
    busy = 1,          ///< in use already, such as a stream that another task is reading (or writing): one at
                       ///< a time; the message says what is in the way
    closed,            ///< the stream, listener, channel, pool or reactor was closed on this side
    aborted,           ///< the stream was aborted on this side while this waited
    end_of_stream,     ///< the peer ended the stream before all that was asked for had come
    too_long,          ///< a line, or what read_until reads, is longer than its limit
    timed_out,         ///< the deadline came first
    already_fired,     ///< a deferred was fired a second time
    backlog_exceeded,  ///< the peer does not read: its outbox was full, and its policy is to disconnect
    bad_endpoint,      ///< an endpoint string that cannot be parsed
    unavailable,       ///< a demultiplexer that does not work on this system
    wrong_thread,      ///< a reactor was used from a thread that it is not bound to
    not_accepted,      ///< descriptors were to be taken from a stream that was not told to accept any
};

const std::error_category& error_category() noexcept;
inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), error_category()}; }

/// Several tasks of a scope failed. `errors()` has their errors, the earliest first.
class aggregate_error : public std::exception {
  public:
    /// `errors` holds at least two.
    explicit aggregate_error(std::span<const std::exception_ptr> errors);
    aggregate_error(const aggregate_error&);
    aggregate_error& operator=(const aggregate_error&) = delete;
    ~aggregate_error() override;
    const char* what() const noexcept override;
    std::span<const std::exception_ptr> errors() const noexcept;

  private:
    struct contents;
    contents* contents_ = nullptr;
};

/// An error that no task handled.
struct error_report {
    std::exception_ptr error;
    std::string_view task;  ///< what failed: "connection 17 from 127.0.0.1:41234"
    std::span<const std::source_location>
        trace;  ///< where each coroutine of the chain stood, innermost first
    /// The connection of a server has ended because its peer had reset it, or does not read what it is sent:
    /// a matter of course, and no fault of the code in the trace.
    bool peer_went_away = false;

    /// The message of the error and the trace, one coroutine a line: first those of the program, then those
    /// of bight ("through …").
    std::string to_string() const;
};

using error_handler = void (*)(const error_report& report, void* context);

/// Sets the function that is called with errors that no task handles; null restores the default, which writes
/// the report to standard error (of peers that went away one line a second at most for each reactor; they are
/// counted in reactor_statistics::peers_gone). Thread: any. The handler is called on the thread of the
/// reactor where the error arose, and must not throw.
void set_error_handler(error_handler handler, void* context = nullptr) noexcept;

enum class log_level {
    info,
    requested,  ///< what somebody asked for: the tree of tasks
    warning,
};
using log_handler = void (*)(log_level level, std::string_view message, void* context);

/// Sets the function that gets bight's few log messages (a fallback to another demultiplexer, a full
/// descriptor table); null restores the default, which writes warnings and what was requested to standard
/// error. Thread: any.
void set_log_handler(log_handler handler, void* context = nullptr) noexcept;

namespace detail {

class job;

void report_error(const error_report& report) noexcept;
/// Reports `error`, which left `j`, with its trace; under `name` if that is not empty.
void report_job_error(const job& j, const std::exception_ptr& error, std::string_view name = {}) noexcept;
/// The same for the connection of a server; counts peers that went away.
void report_connection_error(const job& j, const std::exception_ptr& error) noexcept;
void log(log_level level, std::string_view message) noexcept;
/// Makes a std::system_error without throwing; a std::bad_alloc when there is no memory for it.
std::exception_ptr error_from(errc code, const char* what) noexcept;
/// The category of the numbers of <cerrno>, for errors that bight itself finds: std::system_category(), but
/// on Windows, where the numbers of the system are others, one of bight's own.
const std::error_category& errno_category() noexcept;

/// "function at file:line", with the function's name made readable.
std::string describe_location(const std::source_location& where);
/// `text` with each control byte written as \x0a, so that it fits on one line of a log or a terminal.
std::string printable(std::string_view text);
/// The message of an exception.
std::string describe_error(const std::exception_ptr& error);

}  // namespace detail
}  // namespace bight

template <>
struct std::is_error_code_enum<bight::errc> : std::true_type {};
