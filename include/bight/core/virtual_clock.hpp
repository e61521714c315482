// virtual_clock: time that passes only when nothing else can happen.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

namespace BIGHT_EXPORT bight {

/// A clock for tests and simulations, given to a reactor in reactor_options::clock. It stands still while
/// anything can run; when nothing can, it jumps to the next deadline. Timers fire in the same order as on the
/// real clock: by deadline, and first armed, first fired among equals.
///
/// It stands still, too, while an `outside_work` lives (a thread is busy on the reactor's behalf). While the
/// kernel holds operations (a socket is waited for), it jumps only after nothing has come for `patience` of
/// real time.
///
/// When nothing can ever run again (no task is ready, no timer armed, nothing asked of the kernel, no
/// outside work), reactor::run cancels what is left and throws `deadlock`.
///
/// It outlives its reactor. Thread: that of its reactor; the automatic mode is for one reactor.
class virtual_clock {
  public:
    enum class mode {
        automatic,  ///< jumps by itself
        manual,     ///< moves only through advance
    };

    explicit virtual_clock(mode m = mode::automatic,
                           duration patience = std::chrono::milliseconds(2)) noexcept
        : patience_(patience), automatic_(m == mode::automatic) {}
    virtual_clock(const virtual_clock&) = delete;
    virtual_clock& operator=(const virtual_clock&) = delete;

    time_point now() const noexcept { return now_; }
    /// Time since the clock was made.
    duration elapsed() const noexcept { return now_ - start; }

    /// Moves the clock. What is due then fires in the reactor's next turn, in the order of the deadlines. A
    /// negative `by` does nothing: the clock is monotonic.
    void advance(duration by) noexcept { advance_to(saturating_add(now_, by)); }
    void advance_to(time_point t) noexcept {
        if (t > now_) now_ = t;
    }

    bool automatic() const noexcept { return automatic_; }
    duration patience() const noexcept { return patience_; }

  private:
    // Not the epoch: a deadline before "now" must be possible.
    static constexpr time_point start = time_point(std::chrono::hours(24));
    time_point now_ = start;
    duration patience_;
    bool automatic_;
};

/// Under a virtual clock: tasks are waiting, and nothing is left that could ever wake one. `what()` is the
/// tree of tasks, each with the line where it waits.
class deadlock : public std::exception {
  public:
    // NOLINTNEXTLINE(bugprone-throw-keyword-missing): it initialises a member.
    explicit deadlock(const std::string& tree) : text_("deadlock: nothing can ever run again\n" + tree) {}
    const char* what() const noexcept override { return text_.what(); }

  private:
    // Copies of a std::runtime_error share the text and do not throw.
    std::runtime_error text_;
};

}  // namespace bight
