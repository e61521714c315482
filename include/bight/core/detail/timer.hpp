// timer, timer_heap: deadlines in an intrusive pairing heap, so that arming one allocates nothing.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <cstdint>
#include <string>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Armed and disarmed through reactor_access::arm and disarm. Timers fire in the order of their deadlines;
/// those with equal deadlines fire in the order in which they were armed, on every demultiplexer.
class timer {
  public:
    timer() noexcept = default;
    /// Only a timer that is not armed may be moved.
    timer(timer&&) noexcept {}
    timer& operator=(const timer&) = delete;

    /// Called on the reactor's thread once the deadline has passed; the timer is disarmed by then, and may be
    /// armed again or destroyed from here. It runs between tasks and must not resume one itself: it queues
    /// work.
    virtual void expired() noexcept = 0;

    bool armed() const noexcept { return armed_; }
    time_point deadline() const noexcept { return deadline_; }

  protected:
    ~timer() = default;

  private:
    friend class timer_heap;
    time_point deadline_{};
    std::uint64_t order_ = 0;    // breaks ties: the order of arming
    timer* child_ = nullptr;     // first child
    timer* sibling_ = nullptr;   // next child of the same parent
    timer* previous_ = nullptr;  // previous sibling, or the parent of a first child
    bool armed_ = false;
};

/// Appends how long an armed timer still has: " (4.5 s left)". For the description of a wait.
void append_time_left(std::string& out, const timer& t, time_point now);
void append_time_left(std::string& out, time_point due, time_point now);

/// A pairing heap (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap: a new form of self-adjusting
/// heap", 1986): arming is O(1), disarming and firing O(log n) amortised, and the next deadline is known
/// exactly.
class timer_heap {
  public:
    bool empty() const noexcept { return root_ == nullptr; }
    std::uint64_t size() const noexcept { return size_; }
    time_point next_deadline() const noexcept { return root_ ? root_->deadline_ : time_point::max(); }

    void arm(timer& t, time_point deadline) noexcept;
    /// False when `t` was not armed.
    bool disarm(timer& t) noexcept;
    /// Takes out the first timer whose deadline is `now` or earlier; null when there is none. Timers armed
    /// after the call to `mark` are left for the next round, so that a timer that always arms another for
    /// "now" cannot block the reactor.
    timer* pop_due(time_point now, std::uint64_t mark) noexcept;
    std::uint64_t mark() const noexcept { return next_order_; }

  private:
    static bool before(const timer& a, const timer& b) noexcept;
    static timer* meld(timer* a, timer* b) noexcept;
    static timer* meld_siblings(timer* first) noexcept;
    timer* root_ = nullptr;
    std::uint64_t next_order_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace detail
}  // namespace bight
