// waker: wakes a thread that sleeps in the kernel.
#pragma once

namespace bight::detail {

/// A descriptor that a demultiplexer watches among the others, and that other threads make readable: an
/// eventfd where the system has it, otherwise a pipe.
class waker {
  public:
    /// Throws std::system_error.
    waker();
    waker(const waker&) = delete;
    waker& operator=(const waker&) = delete;
    ~waker();

    /// Readable after `wake`, until `drain`.
    int descriptor() const noexcept { return read_; }
    /// Never blocks, however often it is called before the next drain. Preserves errno. Thread: any, also in
    /// signal handlers.
    void wake() noexcept;
    /// Undoes all wakes so far.
    void drain() noexcept;
    /// In a forked child: closes the descriptors, which belong to the parent; wakes and drains do nothing
    /// from then on.
    void forget() noexcept;
    /// Whether it must be drained even if only edges are watched: a pipe fills up, an eventfd only counts.
    bool fills_up() const noexcept { return write_ != read_; }

    /// For tests: true makes all later wakers pipes.
    static inline bool prefers_pipe = false;

  private:
    int read_ = -1;
    int write_ = -1;
};

}  // namespace bight::detail
