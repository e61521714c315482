// failing: tells a destructor whether it runs because of an error.
#pragma once

namespace bight::detail {

/// For destructors that must not make a failure look like a normal end. True while an exception unwinds a
/// coroutine of this thread's reactor (or this thread, where none runs), and while the frame of a failed
/// coroutine is destroyed with its parameters. An exception that was in flight before the reactor began to
/// run (in a destructor) does not count.
bool failing() noexcept;

}  // namespace bight::detail
