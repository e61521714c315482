// Whether what is being destroyed goes by an error.
#pragma once

namespace bight::detail {

/// For destructors that must not let a failure look like a good end: true while an exception unwinds a
/// coroutine of this thread's reactor (or, where none runs, this thread), and while the frame of a coroutine
/// that an error has left is destroyed, with the parameters in it. An exception that was in flight before the
/// reactor began to run, because a destructor runs it, is none of its tasks' doing.
bool failing() noexcept;

}  // namespace bight::detail
