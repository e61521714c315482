// afd: readiness of sockets as completions, from the driver behind Winsock.
#pragma once

#include "native_handle.hpp"

#include "../io/socket_headers.hpp"

#include <windows.h>

namespace bight::detail {

/// What a socket is polled for, and what is answered: the bits of IOCTL_AFD_POLL.
enum afd_event : ULONG {
    afd_receive = 0x001,
    afd_receive_urgent = 0x002,
    afd_send = 0x004,
    afd_disconnect = 0x008,  ///< the peer has ended its side
    afd_abort = 0x010,
    afd_local_close = 0x020,
    afd_accept = 0x080,
    afd_connect_failed = 0x100,
};

/// The argument of IOCTL_AFD_POLL for one socket, which is its answer, too.
struct afd_poll_info {
    LARGE_INTEGER timeout;
    ULONG count;
    ULONG exclusive;
    struct {
        HANDLE socket;
        ULONG events;
        LONG status;
    } polled;
};

/// The device \Device\Afd. Any number of polls may be under way on it, of sockets that need not belong to its
/// completion port. All calls come on one thread.
class afd {
  public:
    /// Polls complete at `port`, with `key`. Throws std::system_error.
    afd(HANDLE port, ULONG_PTR key);
    /// Polls that are over have a status in their OVERLAPPED (HasOverlappedIoCompleted), and set `event`; a
    /// poll that begins resets it.
    explicit afd(HANDLE event);
    afd(const afd&) = delete;
    afd& operator=(const afd&) = delete;
    ~afd();

    /// Begins a poll, levels of the `events`; `info` and `overlapped` belong to the kernel until it is over:
    /// the packet has been taken, which comes in any case, or there is a status. 0, or an error number: then
    /// it has not begun.
    int poll(native_handle socket, ULONG events, afd_poll_info& info, OVERLAPPED& overlapped) noexcept;
    /// It ends as every poll does, with ERROR_OPERATION_ABORTED unless it was over.
    void cancel(OVERLAPPED& overlapped) noexcept { ::CancelIoEx(device_, &overlapped); }

  private:
    static HANDLE open_device();

    HANDLE device_;
    HANDLE event_ = nullptr;
};

/// The code of GetLastError for a status of the kernel.
DWORD windows_error_of(LONG status) noexcept;

}  // namespace bight::detail
