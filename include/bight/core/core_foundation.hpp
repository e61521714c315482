// core_foundation_loop: a reactor inside the CFRunLoop of a macOS program.
#pragma once

#include <bight/core/export.hpp>

#include <exception>
#include <memory>

// What a CFRunLoopRef points to.
struct __CFRunLoop;

namespace BIGHT_EXPORT bight {

class reactor;

/// Gives a reactor its turns in a CFRunLoop, in the common modes, so that the tasks of the reactor and the
/// callbacks of the run loop (AppKit, CFNetwork, …) have one thread:
///
///     bight::reactor r;
///     bight::core_foundation_loop in_here(r);     // in the run loop of this thread
///     r.start(download);
///     CFRunLoopRun();                             // or NSApplicationMain
///
/// The run loop watches the reactor's descriptor and its next deadline, and looks at the reactor whenever it
/// is about to sleep: so tasks may be started in any callback of this thread. One pass of the run loop is one
/// turn. Outside of CFRunLoopRun nothing runs, and in a run loop that a task runs itself (a modal dialogue)
/// no reactor of this thread has turns.
///
/// `reactor::stop` cancels the tasks, as everywhere, and the run loop goes on; `CFRunLoopStop` ends the run
/// loop, and the tasks stay where they wait. Both may be called by a task.
///
/// Only where the library was built with Core Foundation's headers. Thread: that of the run loop.
class core_foundation_loop {
  public:
    /// `in` is a CFRunLoopRef, which is retained; null: that of this thread. The reactor must outlive this
    /// object. Throws std::system_error (errc::unavailable) when the reactor has no descriptor (select), and
    /// std::bad_alloc.
    explicit core_foundation_loop(reactor& r, __CFRunLoop* in = nullptr);
    core_foundation_loop(const core_foundation_loop&) = delete;
    core_foundation_loop& operator=(const core_foundation_loop&) = delete;
    /// The reactor gets no more turns from the run loop. A task may destroy it, too.
    ~core_foundation_loop();

    /// When the reactor can wait no more (its demultiplexer has failed), or a deadlock is found in virtual
    /// time, the run loop is stopped, and this is the error. Null otherwise.
    std::exception_ptr error() const noexcept;

    struct state;

  private:
    std::shared_ptr<state> state_;
};

}  // namespace bight
