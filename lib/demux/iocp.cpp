#include "iocp.hpp"

#include "socket_calls.hpp"
#include "time_limit.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <cerrno>
#include <iterator>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// Keys of packets.
constexpr ULONG_PTR key_request = 0;
constexpr ULONG_PTR key_wake = 1;

// Packets that are taken in one call.
constexpr ULONG batch = 128;

// What a wait ends with that was given up: as a cancelled call does.
constexpr ULONG_PTR status_cancelled = 0xC0000120;

HANDLE native(native_handle handle) noexcept { return reinterpret_cast<HANDLE>(handle); }

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error(system_error_code(error), what);
}

// Two ports at a time, or one after the other, are never taken for one.
std::uint64_t next_number() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// Providers of others may complete calls by packets of their own, whatever the mode of the handle.
bool has_native_handle(native_handle socket) noexcept {
    WSAPROTOCOL_INFOW provider{};
    int size = sizeof provider;
    return ::getsockopt(static_cast<SOCKET>(socket), SOL_SOCKET, SO_PROTOCOL_INFOW,
                        reinterpret_cast<char*>(&provider), &size) == 0 &&
           (provider.dwServiceFlags1 & XP1_IFS_HANDLES) != 0;
}

}  // namespace

iocp::iocp(reactor& home) : home_(home), pool_(*new block_pool), number_(next_number()) {
    try {
        (void)extensions();
        port_ = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
        if (!port_) fail(last_error(), "CreateIoCompletionPort");
        afd_ = std::make_unique<afd>(port_, key_request);
    } catch (...) {
        if (port_) ::CloseHandle(port_);
        pool_.let_go();
        throw;
    }
    blocks_for_bulk().belongs_to(&pool_);
}

// Memory into which the kernel may still write is leaked. This happens only when a reactor with pending
// operations is destroyed on another thread.
iocp::~iocp() {
    orphan_all();
    while (completion_request* const r = free_) {
        free_ = r->next;
        delete[] r->addresses;
        delete r;
    }
    afd_.reset();
    ::CloseHandle(port_);
    pool_.let_go();
}

// 0 for a handle that can only be waited for: of a process, an event.
int iocp::kind_of(native_handle handle) noexcept {
    int type = 0;
    int size = sizeof type;
    const auto s = static_cast<SOCKET>(handle);
    if (::getsockopt(s, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0) {
        return is_socket | is_associated | (type == SOCK_STREAM ? is_stream : 0);
    }
    switch (::GetFileType(native(handle))) {
        case FILE_TYPE_DISK:
        case FILE_TYPE_PIPE: return is_associated;
        case FILE_TYPE_CHAR: return is_console;
        default: return 0;
    }
}

void iocp::attach(descriptor& d) {
    d.may_read = d.may_write = true;
    d.drain = d.was_blocking = false;
    d.end_watch = nullptr;
    DWORD flags = 0;
    if (!::GetHandleInformation(native(d.fd), &flags)) fail(last_error(), "handle " + std::to_string(d.fd));
    d.slot = kind_of(d.fd);
    if ((d.slot & is_associated) != 0) associate(d);
    list(d);
}

// A handle, and what was duplicated from it, belongs to one port as long as any of them is open. A socket of
// another port, or one that was not made for overlapped calls, is polled, and the calls do not wait.
void iocp::associate(descriptor& d) {
    const bool socket = (d.slot & is_socket) != 0;
    if (socket) {
        u_long on = 1;
        ::ioctlsocket(static_cast<SOCKET>(d.fd), static_cast<long>(FIONBIO), &on);
    }
    if (!::CreateIoCompletionPort(native(d.fd), port_, key_request, 0)) {
        const int error = last_error();
        const std::string which = (socket ? "socket " : "handle ") + std::to_string(d.fd);
        if (errno_of(error) != EINVAL) fail(error, which + " and the completion port of this reactor");
        if (!socket) {
            fail(error,
                 which + " belongs to another completion port, or was opened without FILE_FLAG_OVERLAPPED");
        }
        d.slot &= ~is_associated;
        return;
    }
    constexpr UCHAR mode = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    if ((!socket || has_native_handle(d.fd)) && ::SetFileCompletionNotificationModes(native(d.fd), mode)) {
        d.slot |= skips_packets;
    }
}

// What is in the kernel is cancelled before the handle is closed; its packets come afterwards, and the
// operations that wait for them keep the descriptor.
void iocp::detach(descriptor& d, bool close_it) noexcept {
    end_line(d.reading);
    end_line(d.writing);
    if (operation* const op = take_ending(d, -ECANCELED)) detail::reactor_access::schedule(home_, *op);
    stop_end_poll(d);
    const native_handle handle = std::exchange(d.fd, invalid_handle);
    unlist(d);
    if (close_it) close(handle, (d.slot & is_socket) != 0);
}

void iocp::close(native_handle handle, bool socket) noexcept {
    if (socket) {
        ::closesocket(static_cast<SOCKET>(handle));
    } else {
        ::CloseHandle(native(handle));
    }
}

// Requests

completion_request* iocp::request_for(operation& op, completion_request::purpose what) noexcept {
    return new_request(op, what, op.on->fd);
}

completion_request* iocp::new_request(operation& op, completion_request::purpose what,
                                      native_handle handle) noexcept {
    completion_request* r = free_;
    if (r) {
        free_ = r->next;
    } else {
        r = new (std::nothrow) completion_request;
        if (!r) return nullptr;
    }
    r->overlapped = {};
    r->what = what;
    r->of = &op;
    r->end_of = nullptr;
    r->handle = handle;
    ++in_kernel_;
    return r;
}

void iocp::give_back(completion_request& r) noexcept {
    --in_kernel_;
    r.next = free_;
    free_ = &r;
}

// Nobody waits for it any more; its packet will come.
void iocp::abandon(completion_request& r) noexcept {
    if (r.of) r.of->request = nullptr;
    r.of = nullptr;
    r.end_of = nullptr;
    cancel_call(r);
}

// Of this one call: its OVERLAPPED is in use until the packet has been taken, so no later call can be meant.
// Where nothing is found, the packet is in the port already. (Wine reports success then.)
void iocp::cancel_call(completion_request& r) noexcept {
    switch (r.what) {
        case completion_request::purpose::poll:
        case completion_request::purpose::end_poll: afd_->cancel(r.overlapped); break;
        case completion_request::purpose::handle_wait:
            end_handle_wait(r);
            if (r.posted.exchange(true)) break;
            r.overlapped.Internal = status_cancelled;
            while (!::PostQueuedCompletionStatus(port_, 0, key_request, &r.overlapped)) ::Sleep(1);
            break;
        default: ::CancelIoEx(native(r.handle), &r.overlapped); break;
    }
}

// Waits for the callback if it is running: it must not touch the request afterwards; and nobody may wait for
// a handle that is closed.
void iocp::end_handle_wait(completion_request& r) noexcept {
    if (const HANDLE waits = std::exchange(r.waits, nullptr)) ::UnregisterWaitEx(waits, INVALID_HANDLE_VALUE);
}

attempt iocp::failed(operation& op, int error) noexcept {
    op.result = -error;
    return attempt::done;
}

// After the call: `done` says that it has succeeded, otherwise `error` why not. done: no packet comes, and
// the request has been given back; what it transferred is in op.result.
attempt iocp::submitted(operation& op, completion_request& r, bool done, DWORD error) noexcept {
    if (!done && !is_pending(error)) {
        give_back(r);
        return failed(op, error_number(error));
    }
    if (done && (op.on->slot & skips_packets) != 0) {
        op.result = static_cast<std::int64_t>(r.overlapped.InternalHigh);
        give_back(r);
        return attempt::done;
    }
    op.request = &r;
    op.underway = true;
    return attempt::would_block;
}

// Waiting

void iocp::wait(duration limit) {
    OVERLAPPED_ENTRY packets[batch];
    ULONG count = 0;
    const DWORD ms = limit == duration::max() ? INFINITE : static_cast<DWORD>(to_milliseconds(limit));
    if (!::GetQueuedCompletionStatusEx(port_, packets, batch, &count, ms, FALSE)) {
        const DWORD error = ::GetLastError();
        if (error == WAIT_TIMEOUT) return;
        fail(error_number(error), "GetQueuedCompletionStatusEx");
    }
    for (ULONG i = 0; i < count; ++i) dispatch(packets[i]);
}

// The only place where packets are handled, also while the reactor is destroyed.
void iocp::dispatch(const OVERLAPPED_ENTRY& packet) noexcept {
    if (packet.lpCompletionKey == key_wake) {
        woken_.exchange(false, std::memory_order_acq_rel);  // before what was posted is looked at
        operation* op = calls_ ? calls_->take_done() : nullptr;
        while (op) {
            count_without_descriptor(-1);
            detail::reactor_access::schedule(home_, *std::exchange(op, std::exchange(op->behind, nullptr)));
        }
        return;
    }
    auto& r = *reinterpret_cast<completion_request*>(packet.lpOverlapped);
    if (r.what == completion_request::purpose::handle_wait) end_handle_wait(r);
    if (operation* const op = std::exchange(r.of, nullptr)) {
        op->request = nullptr;
        op->underway = false;
        if (r.what == completion_request::purpose::file) {
            file_ended(static_cast<file_operation&>(*op), r);
        } else {
            completed(*op, r);
        }
    } else if (r.end_of) {
        end_polled(*r.end_of, r);
    }
    give_back(r);
}

// One packet stands for all wakes until it is taken.
void iocp::wake() noexcept {
    if (woken_.exchange(true, std::memory_order_acq_rel)) return;
    // It fails only when the kernel has no memory; a wake must not be lost.
    while (!::PostQueuedCompletionStatus(port_, 0, key_wake, nullptr)) ::Sleep(1);
}

std::unique_ptr<demultiplexer> make_iocp(reactor& home, refusal& why) {
    try {
        return std::make_unique<iocp>(home);
    } catch (const std::system_error& e) {
        why = {e.what(), e.code()};
        return nullptr;
    }
}

}  // namespace bight::detail
