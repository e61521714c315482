// overlapped_operation: awaits an overlapped call of Windows that bight has no function for.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <cstddef>
#include <functional>

struct _OVERLAPPED;  // OVERLAPPED of <windows.h>

namespace BIGHT_EXPORT bight {

/// Makes an overlapped call on `handle` (a HANDLE, or a SOCKET as a void*), and waits for its end: any call
/// that takes an OVERLAPPED.
///
///     co_await bight::overlapped_operation(
///         pipe, [&](OVERLAPPED& call) { return ConnectNamedPipe(pipe, &call) != FALSE; });
///
/// `begin` is called once, on the reactor's thread; it gives whether the call succeeded at once, and makes no
/// other call after it: its GetLastError says why not. The OVERLAPPED comes with its event, which `begin`
/// leaves alone; an offset may be set. The handle may be in use with bight, or with a completion port, to
/// which nothing of this call goes. What the call refers to is lent to the kernel until the await has ended,
/// cancelled or not. Gives the number of bytes transferred.
///
/// Throws std::system_error with the error of the call or of its end; with the one of the wait, before
/// anything has begun, when the reactor takes no more handles (wfmo: 31). errc::unavailable on other systems
/// than Windows, and on a simulated host. What `begin` throws is thrown: it must not have begun the call
/// then.
///
/// Cancelling calls CancelIoEx for this call, and waits for its end: a result is delivered, and the task ends
/// at its next await. Thread: a reactor's.
task<std::size_t> overlapped_operation(void* handle, std::function<bool(_OVERLAPPED&)> begin);

}  // namespace bight
