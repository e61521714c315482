// scripted_peer: the other side of a conversation, written down.
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

/// What was to come did not come. The message names the step (its number, its line in the test), what was
/// expected, what came, and the place in the bytes where they differ:
///
///     step 2 (login_test.cpp:24): expect "HELO me\r\n": at byte 5: "HELO you\r\n" came
class script_error : public std::runtime_error {
  public:
    script_error(const std::string& message, std::size_t step, std::uint64_t position, std::error_code code)
        : std::runtime_error(message), step_(step), position_(position), code_(code) {}

    /// The step that failed, counted from 1.
    std::size_t step() const noexcept { return step_; }
    /// The first byte that was not as expected, counted from 0 over all that the script has read.
    std::uint64_t position() const noexcept { return position_; }
    /// What the stream failed with; errc::end_of_stream when it ended too early, errc::timed_out when the
    /// time was up; none when other bytes came.
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
/// How the bytes are cut on the way makes no difference. Each member adds a step, and gives the script back.
/// It can be played again, and on several streams at once. Thread: one.
class scripted_peer {
  public:
    using line = std::source_location;

    scripted_peer() = default;

    /// The next bytes are these. It fails as soon as one differs.
    scripted_peer& expect(std::string bytes, line where = line::current());
    /// The same with "\r\n" behind them.
    scripted_peer& expect_line(std::string text, line where = line::current());
    /// Reads up to `delimiter` (not empty), and that, whatever it is.
    scripted_peer& skip_until(std::string delimiter, line where = line::current());
    /// Nothing comes for so long, and the stream does not end.
    scripted_peer& expect_silence(duration d, line where = line::current());
    /// The stream ends here.
    scripted_peer& expect_end(line where = line::current());
    /// The connection is reset here: a read fails with ECONNRESET.
    scripted_peer& expect_reset(line where = line::current());

    scripted_peer& send(const std::string& bytes, line where = line::current());
    /// In writes of `size` bytes each (at least 1), `gap` apart; 0 lets everything that is ready run first.
    scripted_peer& send_in_pieces(const std::string& bytes, std::size_t size = 1,
                                  duration gap = duration::zero(), line where = line::current());
    /// In one write for each.
    scripted_peer& send_in_pieces(std::vector<std::string> pieces, duration gap = duration::zero(),
                                  line where = line::current());
    /// Does nothing for so long, not even read.
    scripted_peer& wait(duration d, line where = line::current());
    scripted_peer& shutdown_write(line where = line::current());
    scripted_peer& close(line where = line::current());
    scripted_peer& abort(line where = line::current());

    /// How long each step that follows may take; 10 s to begin with. `wait` and `expect_silence` take as long
    /// as they say.
    scripted_peer& limit(duration d) noexcept {
        limit_ = d;
        return *this;
    }

    /// Goes through all steps. Throws script_error at the first that fails; the stream is left as it is then.
    /// What was read and not expected by any step goes back to the stream, and so does it when this is
    /// cancelled. The stream, and this, must outlive the await.
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
        duration time;  // how long it may take, or takes
        line where;
        std::string text;
        std::vector<std::string> pieces;  // of what is sent
        duration gap{};                   // between them
    };
    scripted_peer& add(step s);

    std::vector<step> steps_;
    duration limit_ = std::chrono::seconds(10);
};

}  // namespace sim
}  // namespace bight
