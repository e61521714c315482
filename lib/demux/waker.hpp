// What makes a thread that sleeps in the kernel return.
#pragma once

namespace bight::detail {

/// A descriptor that a demultiplexer waits for among the others, and that is made readable from elsewhere: an
/// eventfd where there is one, else a pipe.
class waker {
  public:
    /// Throws std::system_error.
    waker();
    waker(const waker&) = delete;
    waker& operator=(const waker&) = delete;
    ~waker();

    /// Readable after `wake`, until `drain`.
    int descriptor() const noexcept { return read_; }
    /// However often it is called before the next drain, it never blocks. Leaves errno as it was. Thread:
    /// any, and signal handlers.
    void wake() noexcept;
    /// Takes back what all wakes so far did.
    void drain() noexcept;
    /// Closes what a forked child has of it, which is its parent's: wakes and drains do nothing from here on.
    void forget() noexcept;
    /// Whether who waits for changes (edges) must drain: a pipe fills up, an eventfd only counts.
    bool fills_up() const noexcept { return write_ != read_; }

    /// For tests: true makes pipes from here on.
    static inline bool prefers_pipe = false;

  private:
    int read_ = -1;
    int write_ = -1;
};

}  // namespace bight::detail
