// this_process, fork_aware: identify the process, and prepare objects for fork(2).
#pragma once

#include <bight/core/detail/intrusive_list.hpp>

#include <cstdint>

namespace bight::detail {

/// A number that differs between a process and its forked children (with fork(2), not with clone(2)). Never
/// 0. Thread: any.
unsigned this_process() noexcept;

/// The number by which the system knows this process. Thread: any, also in signal handlers.
std::intmax_t process_number() noexcept;

/// An object with locks, threads or kernel objects. A forked child has only one thread, inherits each lock in
/// its current state, and shares kernel objects with its parent.
class fork_aware {
  public:
    /// Before the fork, on the forking thread: takes the locks of everything that must be consistent in the
    /// child.
    virtual void before_fork() noexcept {}
    /// After the fork, in the parent: releases the locks.
    virtual void in_parent() noexcept {}
    /// After the fork, in the child, on its only thread, which is the one that took the locks: it releases
    /// them (a lock that was made anew in its place would stay taken, to ThreadSanitizer).
    virtual void in_child() noexcept {}

  protected:
    fork_aware() noexcept = default;
    ~fork_aware() = default;
};

/// Calls the functions of `of` at each fork. It should be the last member of that object, which is then
/// called only while it is complete. No lock that before_fork takes may be held while a fork_watch is made or
/// destroyed. Thread: any.
class fork_watch : public list_hook<fork_watch> {
  public:
    explicit fork_watch(fork_aware& of) noexcept;
    fork_watch(const fork_watch&) = delete;
    fork_watch& operator=(const fork_watch&) = delete;
    ~fork_watch() { end(); }
    /// Ends the calls.
    void end() noexcept;

  private:
    friend struct fork_watches;
    fork_aware& of_;
    bool listed_ = true;
};

}  // namespace bight::detail
