#include "afd.hpp"

#include "../core/system_error.hpp"

#include <winternl.h>

#include <climits>
#include <system_error>

namespace bight::detail {

namespace {

constexpr ULONG ioctl_afd_poll = 0x00012024;
constexpr DWORD sio_base_handle = 0x48000022;

// The socket of the driver's own, where another provider stands before it.
HANDLE base_of(native_handle socket) noexcept {
    SOCKET base = INVALID_SOCKET;
    DWORD size = 0;
    const auto s = static_cast<SOCKET>(socket);
    if (::WSAIoctl(s, sio_base_handle, nullptr, 0, &base, sizeof base, &size, nullptr, nullptr) != 0)
        base = s;
    return reinterpret_cast<HANDLE>(base);
}

}  // namespace

DWORD windows_error_of(LONG status) noexcept { return ::RtlNtStatusToDosError(status); }

HANDLE afd::open_device() {
    wchar_t path[] = L"\\Device\\Afd\\bight";
    UNICODE_STRING name;
    name.Buffer = path;
    name.Length = static_cast<USHORT>(sizeof path - sizeof *path);
    name.MaximumLength = sizeof path;
    OBJECT_ATTRIBUTES attributes{};
    attributes.Length = sizeof attributes;
    attributes.ObjectName = &name;
    IO_STATUS_BLOCK answer{};
    HANDLE device = INVALID_HANDLE_VALUE;
    const LONG status = ::NtCreateFile(&device, SYNCHRONIZE, &attributes, &answer, nullptr, 0,
                                       FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, 0, nullptr, 0);
    if (status < 0) {
        throw std::system_error(system_error_code(error_number(windows_error_of(status))), "\\Device\\Afd");
    }
    ::SetFileCompletionNotificationModes(device, FILE_SKIP_SET_EVENT_ON_HANDLE);
    return device;
}

afd::afd(HANDLE port, ULONG_PTR key) : device_(open_device()) {
    if (::CreateIoCompletionPort(device_, port, key, 0)) return;
    const int error = last_error();
    ::CloseHandle(device_);
    throw std::system_error(system_error_code(error), "\\Device\\Afd");
}

afd::afd(HANDLE event) : device_(open_device()), event_(event) {}

afd::~afd() { ::CloseHandle(device_); }

int afd::poll(native_handle socket, ULONG events, afd_poll_info& info, OVERLAPPED& overlapped) noexcept {
    info.timeout.QuadPart = LLONG_MAX;
    info.count = 1;
    info.exclusive = 0;
    info.polled.socket = base_of(socket);
    info.polled.events = events;
    info.polled.status = 0;
    // An OVERLAPPED begins with an IO_STATUS_BLOCK.
    auto* const answer = reinterpret_cast<IO_STATUS_BLOCK*>(&overlapped);
    const LONG status = ::NtDeviceIoControlFile(device_, event_, nullptr, &overlapped, answer, ioctl_afd_poll,
                                                &info, sizeof info, &info, sizeof info);
    return status < 0 ? error_number(windows_error_of(status)) : 0;
}

}  // namespace bight::detail
