// The threads that are blocked until one reactor has answered them.
#pragma once

#include <bight/core/detail/blocked_thread.hpp>

#include <memory>
#include <mutex>

namespace bight::detail {

/// From `end` until the next `begin` new calls are refused, and those that are there are brought to their
/// end. The list is for the thread of the reactor and those that block; the lock keeps it whole.
class blocked_threads {
  public:
    blocked_threads() noexcept = default;
    blocked_threads(const blocked_threads&) = delete;
    blocked_threads& operator=(const blocked_threads&) = delete;
    /// Those that never began, or never ended, because their reactor is gone.
    ~blocked_threads();

    /// Thread: any. False when the reactor has stopped: nobody would answer.
    bool add(blocked_thread& thread) noexcept;
    /// Its post is through; the sender touches nothing of the reactor any more. Thread: the same.
    void sent() noexcept;

    void begin() noexcept;
    /// Cancels those that have begun. True when there are any.
    bool end() noexcept;
    bool ended() const noexcept;
    bool empty() const noexcept;
    void remove(blocked_thread& thread) noexcept;
    /// Waits for those who are sending: they are in the middle of a post.
    void await_senders() const noexcept;

    // See fork_aware. Threads that were sending are not in the child.
    void before_fork() noexcept { lock_.lock(); }
    void in_parent() noexcept { lock_.unlock(); }
    void in_child() noexcept {
        std::construct_at(&lock_);
        sending_ = 0;
    }

  private:
    mutable std::mutex lock_;
    intrusive_list<blocked_thread> list_;
    int sending_ = 0;
    bool ended_ = false;
};

}  // namespace bight::detail
