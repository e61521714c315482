// scripted_peer: plays one side of a protocol from a script of sends and expectations.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

/// A step of a script failed. The message gives the step (its number and its line in the test), what was
/// expected, what came, and the position where they differ:
///
///     step 2 (login_test.cpp:24): expect "HELO me\r\n": at byte 5: "HELO you\r\n" came
class script_error : public std::runtime_error {
  public:
    script_error(const std::string& message, std::size_t step, std::uint64_t position, std::error_code code)
        : std::runtime_error(message), step_(step), position_(position), code_(code) {}

    /// The step that failed, counted from 1.
    std::size_t step() const noexcept { return step_; }
    /// The position of the first unexpected byte, counted from 0 over all that the script has read.
    std::uint64_t position() const noexcept { return position_; }
    /// The error of the stream; errc::end_of_stream when it ended too early, errc::timed_out at the time
    /// limit; none when wrong bytes came.
    std::error_code code() const noexcept { return code_; }

  private:
    std::size_t step_;
    std::uint64_t position_;
    std::error_code code_;
};

/// Plays one side of a protocol, step by step, on any stream:
///
///     sim::scripted_peer server;
///     server.send("220 ready\r\n").expect_line("HELO me").wait(2s).send("250 ok\r\n").expect_end().close();
///     co_await bight::when_all(server.play(there), client(std::move(here)));
///
/// It makes no difference into which pieces the bytes are cut. Each member function adds a step and returns
/// the script. A script can be played again, and on several streams at once. Thread: one.
class scripted_peer {
  public:
    using line = std::source_location;

    scripted_peer() = default;

    /// Expects these bytes next. Fails as soon as one differs.
    scripted_peer& expect(std::string bytes, line where = line::current());
    /// The same followed by "\r\n".
    scripted_peer& expect_line(std::string text, line where = line::current());
    /// Reads anything up to and including `delimiter` (not empty).
    scripted_peer& skip_until(std::string delimiter, line where = line::current());
    /// Expects that nothing comes for this long, and that the stream does not end.
    scripted_peer& expect_silence(duration d, line where = line::current());
    /// Expects the end of the stream.
    scripted_peer& expect_end(line where = line::current());
    /// Expects a reset of the connection: a read fails with ECONNRESET.
    scripted_peer& expect_reset(line where = line::current());

    scripted_peer& send(const std::string& bytes, line where = line::current());
    /// Sends in writes of `size` bytes each (at least 1), `gap` apart; with a gap of 0 everything that is
    /// ready runs in between.
    scripted_peer& send_in_pieces(const std::string& bytes, std::size_t size = 1,
                                  duration gap = duration::zero(), line where = line::current());
    /// Sends each piece in one write.
    scripted_peer& send_in_pieces(std::vector<std::string> pieces, duration gap = duration::zero(),
                                  line where = line::current());
    /// Does nothing for this long, not even read.
    scripted_peer& wait(duration d, line where = line::current());
    scripted_peer& shutdown_write(line where = line::current());
    scripted_peer& close(line where = line::current());
    scripted_peer& abort(line where = line::current());

    /// How long each of the following steps may take; 10 s by default. `wait` and `expect_silence` take their
    /// own time.
    scripted_peer& limit(duration d) noexcept {
        limit_ = d;
        return *this;
    }

    /// Runs all steps. Throws script_error at the first that fails, and leaves the stream as it is then.
    /// Bytes that were read but not used by any step go back to the stream, also on cancellation. The stream
    /// and the script must outlive the await.
    task<> play(stream& on);

  private:
    friend class script_player;
    enum class action : std::uint8_t {
        expect,
        skip_until,
        expect_silence,
        expect_end,
        expect_reset,
        send,
        wait,
        shutdown_write,
        close,
        abort,
    };
    struct step {
        step(action a, duration d, line at, std::string bytes = {})
            : what(a), time(d), where(at), text(std::move(bytes)) {}
        action what;
        duration time;  // how long the step may take, or takes
        line where;
        std::string text;
        std::vector<std::string> pieces;  // to be sent
        duration gap{};                   // between them
    };
    scripted_peer& add(step s);

    std::vector<step> steps_;
    duration limit_ = std::chrono::seconds(10);
};

}  // namespace sim
}  // namespace bight
