// blocked_threads: the plain threads that wait in block_on for one reactor, and the tasks of other reactors
// that wait in on.
#pragma once

#include <bight/core/detail/blocked_thread.hpp>

#include <mutex>

namespace bight::detail {

/// From `end` until the next `begin` new calls are refused, and existing ones are brought to an end. The
/// list is used on the reactor's thread only: a caller that gives up a call that is on its way touches
/// nothing of a reactor that may be gone by then.
class blocked_threads {
  public:
    blocked_threads() noexcept = default;
    blocked_threads(const blocked_threads&) = delete;
    blocked_threads& operator=(const blocked_threads&) = delete;
    /// Abandons the calls that never began, or never ended, because the reactor is gone.
    ~blocked_threads();

    /// Announces a call that will be posted. Thread: any. False when the reactor has stopped: nobody would
    /// answer.
    bool add() noexcept;
    /// The call has been posted, and the sender no longer uses the reactor. Thread: the one that called add.
    void sent() noexcept;

    /// A call that was added has come out of the inbox; null when its caller no longer waits.
    void came(blocked_thread* thread) noexcept;

    void begin() noexcept;
    /// Cancels the calls that have begun. True when there are any, or some that have not come yet.
    bool end() noexcept;
    bool ended() const noexcept;
    bool empty() const noexcept;
    void remove(blocked_thread& thread) noexcept;
    /// Waits for the threads that are in the middle of a post.
    void await_senders() const noexcept;

    // See fork_aware. Threads that were sending do not exist in the child.
    void before_fork() noexcept { lock_.lock(); }
    void in_parent() noexcept { lock_.unlock(); }
    void in_child() noexcept {
        lock_.unlock();
        sending_ = 0;
    }

  private:
    intrusive_list<blocked_thread> list_;  // those that came
    mutable std::mutex lock_;
    int sending_ = 0;  // threads that are in the middle of a post
    int coming_ = 0;   // calls on their way
    bool ended_ = false;
};

}  // namespace bight::detail
