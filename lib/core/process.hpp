// Which process this is, and what is to be put in order when it forks.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>

namespace bight::detail {

/// A number that is another one in a process that was forked from here (by fork(2), and not by clone(2)).
/// Never 0. Thread: any.
unsigned this_process() noexcept;

/// What has locks, threads, or objects of the kernel's. A forked child has one thread only: it inherits each
/// lock as it stood, and shares with its parent what is the kernel's.
class fork_aware {
  public:
    /// Before the fork, on the thread that forks: locks what the child is to find whole.
    virtual void before_fork() noexcept {}
    /// After it, in the parent: undoes that.
    virtual void in_parent() noexcept {}
    /// In the child. It has the one thread that forked.
    virtual void in_child() noexcept {}

  protected:
    fork_aware() noexcept = default;
    ~fork_aware() = default;
};

/// Has `of` told of forks. The last member of what it tells, so that it is told while it is whole. No lock
/// that before_fork takes may be held while one is made or destroyed. Thread: any.
class fork_watch : public list_hook<fork_watch> {
  public:
    explicit fork_watch(fork_aware& of) noexcept;
    fork_watch(const fork_watch&) = delete;
    fork_watch& operator=(const fork_watch&) = delete;
    ~fork_watch() { end(); }
    /// Tells no more.
    void end() noexcept;

  private:
    friend struct fork_watches;
    fork_aware& of_;
    bool listed_ = true;
};

}  // namespace bight::detail
