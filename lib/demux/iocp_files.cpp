// Files of the IOCP demultiplexer: reads and writes at offsets are the kernel's; threads do the rest.
#include "iocp.hpp"

#include "windows_files.hpp"

#include "../core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

namespace bight::detail {

namespace {

// Of a handle that was not opened for overlapped calls, or belongs to a port of somebody else.
constexpr std::uint64_t no_port_of_ours = std::numeric_limits<std::uint64_t>::max();

HANDLE file_of(const file_operation& op) noexcept {
    return reinterpret_cast<HANDLE>(op.file);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

bool iocp::start_file(file_operation& op) noexcept {
    const bool opens = op.kind == operation_kind::open_file || op.kind == operation_kind::open_beneath;
    if (opens) op.flags |= opened_overlapped;
    return has_file(op) ? start_transfer(op) : start_by_thread(op);
}

bool iocp::start_by_thread(file_operation& op) noexcept {
    if (!calls_) calls_.reset(new (std::nothrow) blocking_calls(*this));
    op.in_flight = true;  // before a thread has it
    if (calls_ && calls_->start(op)) {
        count_without_descriptor(1);
        return false;
    }
    op.in_flight = false;
    op.result = -ENOMEM;
    return true;
}

// Whether its call is made here. A handle belongs to the port of the reactor that first reads or writes it. A
// write to the end of a file waits in the call itself (the system's cache makes it longer first), and files
// that were not opened without a cache take no lists: threads do both.
bool iocp::has_file(const file_operation& op) const noexcept {
    const bool moves = op.kind == operation_kind::read_at || op.kind == operation_kind::write_at;
    if (!moves || !op.note || op.piece_count > 0 || op.offset == at_the_end) return false;
    handle_note& note = *op.note;
    if (note.port == 0) {
        const bool is_ours = ::CreateIoCompletionPort(file_of(op), port_, 0, 0) != nullptr;
        note.port = is_ours ? number_ : no_port_of_ours;
        constexpr UCHAR mode = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
        note.skips_packets = is_ours && ::SetFileCompletionNotificationModes(file_of(op), mode);
    }
    return note.port == number_;
}

bool iocp::start_transfer(file_operation& op) noexcept {
    const bool reads = op.kind == operation_kind::read_at;
    completion_request* const r = new_request(op, completion_request::purpose::file, op.file);
    if (!r) {
        op.result = -ENOMEM;
        return true;
    }
    r->overlapped.Offset = static_cast<DWORD>(op.offset);
    r->overlapped.OffsetHigh = static_cast<DWORD>(op.offset >> 32);
    const std::size_t asked = reads ? op.memory.size : op.bytes.size;
    const auto size = static_cast<DWORD>(std::min(asked, most_in_one_call));
    const bool done = reads ? ::ReadFile(file_of(op), op.memory.data, size, nullptr, &r->overlapped) != FALSE
                            : ::WriteFile(file_of(op), op.bytes.data, size, nullptr, &r->overlapped) != FALSE;
    const DWORD error = done ? 0 : ::GetLastError();
    if (done ? op.note->skips_packets : !is_pending(error)) {
        const auto moved = static_cast<std::int64_t>(r->overlapped.InternalHigh);
        give_back(*r);
        op.result = done ? moved : reads ? failed_read(op.file, error) : failed_write(op.file, error);
        return true;
    }
    op.request = r;
    op.in_flight = true;
    count_without_descriptor(1);
    return false;
}

// Its packet has been taken.
void iocp::file_ended(file_operation& op, const completion_request& r) noexcept {
    count_without_descriptor(-1);
    const auto status = static_cast<LONG>(r.overlapped.Internal);
    const DWORD error = status < 0 ? windows_error_of(status) : 0;
    if (error == 0) {
        op.result = static_cast<std::int64_t>(r.overlapped.InternalHigh);
    } else if (error == ERROR_OPERATION_ABORTED) {
        // By somebody else, as a driver that is reset: a thread tries it again.
        if (!op.cancel_asked && !start_by_thread(op)) return;
        if (op.cancel_asked) op.result = -ECANCELED;
        op.in_flight = true;
    } else {
        op.result =
            op.kind == operation_kind::read_at ? failed_read(op.file, error) : failed_write(op.file, error);
    }
    detail::reactor_access::schedule(home_, op);
}

}  // namespace bight::detail
