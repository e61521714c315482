// completion_request: what the kernel holds of an operation of the IOCP demultiplexer.
#pragma once

#include "afd.hpp"
#include "native_handle.hpp"

#include <atomic>

namespace bight::detail {

class descriptor;
class operation;

/// The memory of one call that was submitted. It belongs to the demultiplexer, not to the operation, and
/// stays until its packet has been taken from the port, whatever becomes of the operation meanwhile.
struct completion_request {
    OVERLAPPED overlapped;  // the first member: packets bring its address

    enum class purpose : unsigned char {
        file,         ///< the call itself, of an operation without a descriptor
        transfer,     ///< the call itself: its result counts, and it uses memory of the operation's
        wait,         ///< a receive of no bytes
        poll,         ///< of the socket, by the driver
        end_poll,     ///< the same, for `end_of`
        handle_wait,  ///< by a thread of the system's pool, until a handle is signalled
    };
    purpose what = purpose::transfer;
    operation* of = nullptr;  ///< null: nobody waits for it any more
    descriptor* end_of = nullptr;
    native_handle handle = invalid_handle;  ///< on which it was submitted

    afd_poll_info polled;
    SOCKET accepted = INVALID_SOCKET;  ///< accept: made in advance
    char* addresses = nullptr;         ///< accept: what AcceptEx writes, room_for_addresses bytes
    HANDLE waits = nullptr;            ///< handle_wait: of RegisterWaitForSingleObject
    HANDLE port = nullptr;             ///< handle_wait
    std::atomic<bool> posted{false};   ///< handle_wait: its packet has been posted

    completion_request* next = nullptr;  ///< among those that are free
};

/// AcceptEx wants 16 bytes more than an address, twice: the largest is that of a Unix socket (110).
inline constexpr DWORD room_for_address = 128 + 16;
inline constexpr DWORD room_for_addresses = 2 * room_for_address;

}  // namespace bight::detail
