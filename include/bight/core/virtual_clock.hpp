// virtual_clock: simulated time for tests, which advances only when nothing can run.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

namespace BIGHT_EXPORT bight {

/// A clock for tests and simulations, given to a reactor in reactor_options::clock. It stands still while
/// anything can run; when nothing can, it jumps to the next deadline. Timers fire in the same order as on the
/// real clock: by deadline, equal deadlines in the order of arming.
///
/// It also stands still while an `outside_work` lives (a thread works for the reactor). While operations are
/// pending in the kernel (a task waits for a socket), it jumps only after nothing has come for `patience` of
/// real time.
///
/// When nothing can ever run again (no task is ready, no timer armed, no operation pending, no outside work),
/// reactor::run cancels the remaining tasks and throws `deadlock`.
///
/// It must outlive its reactor. Thread: that of its reactor; a clock in automatic mode serves one reactor
/// only.
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

    /// Advances the clock. Timers that are due then fire in the reactor's next turn, in the order of their
    /// deadlines. A negative `by` does nothing: the clock is monotonic.
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

/// Thrown under a virtual clock when tasks are waiting and nothing can ever wake one. `what()` is the tree of
/// tasks, each with the line where it waits.
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
