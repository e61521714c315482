// Handles of the IOCP demultiplexer that are no sockets: pipes, and what can be waited for.
#include "iocp.hpp"
#include "pipe_results.hpp"

#include "../core/system_error.hpp"

#include <algorithm>
#include <cerrno>

namespace bight::detail {

namespace {

constexpr int exited = 1;  // CLD_EXITED

HANDLE handle_of(const operation& op) noexcept { return reinterpret_cast<HANDLE>(op.on->fd); }

}  // namespace

// A write of no bytes ends a read, and is no end.
attempt iocp::read(receive_operation& op, bool may_wait) noexcept {
    if ((op.on->slot & is_associated) == 0) return failed(op, EOPNOTSUPP);
    if (!may_wait) return attempt::would_block;
    const auto size = static_cast<DWORD>(std::min(op.target->into.size, transfer_budget));
    for (unsigned calls = 0; calls < call_budget; ++calls) {
        completion_request* const r = request_for(op, completion_request::purpose::transfer);
        if (!r) return failed(op, ENOMEM);
        const bool called =
            ::ReadFile(handle_of(op), op.target->into.data, size, nullptr, &r->overlapped) != FALSE;
        const DWORD error = called ? 0 : ::GetLastError();
        const attempt made = submitted(op, *r, called, error);
        if (made != attempt::done) return made;
        if (!called) op.result = pipe_read_result(error);
        if (!called || op.result != 0) return made;
    }
    return attempt::unfinished;
}

// One piece after the other: a pipe has no call for several.
attempt iocp::write(send_operation& op, bool may_wait) noexcept {
    if ((op.on->slot & is_associated) == 0) return failed(op, EOPNOTSUPP);
    std::size_t bytes_left = transfer_budget;
    op.advance(0);  // pieces of no bytes
    for (unsigned calls = 0; op.piece_count > 0; ++calls) {
        if (!may_wait) return attempt::would_block;
        if (bytes_left == 0 || calls == call_budget) return attempt::unfinished;
        completion_request* const r = request_for(op, completion_request::purpose::transfer);
        if (!r) return failed(op, ENOMEM);
        const auto size = static_cast<DWORD>(std::min(op.pieces->size, bytes_left));
        const bool called =
            ::WriteFile(handle_of(op), op.pieces->data, size, nullptr, &r->overlapped) != FALSE;
        const DWORD error = called ? 0 : ::GetLastError();
        const attempt made = submitted(op, *r, called, error);
        if (made != attempt::done) return made;
        if (!called) {
            op.result = pipe_write_result(error);
            return made;
        }
        const auto written = static_cast<std::size_t>(op.result);
        bytes_left -= written;
        op.advance(written);
    }
    op.result = 0;
    return attempt::done;
}

// Of a process, an event, a console: until it is signalled, by a thread of the system's pool.
attempt iocp::wait_for_handle(operation& op, bool may_wait) noexcept {
    const HANDLE handle = handle_of(op);
    switch (::WaitForSingleObject(handle, 0)) {
        case WAIT_OBJECT_0: op.result = 0; break;
        case WAIT_TIMEOUT: {
            if (!may_wait) return attempt::would_block;
            completion_request* const r = request_for(op, completion_request::purpose::handle_wait);
            if (!r) return failed(op, ENOMEM);
            r->port = port_;
            r->posted.store(false);
            if (!::RegisterWaitForSingleObject(&r->waits, handle, &signalled, r, INFINITE,
                                               WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)) {
                const int error = last_error();
                give_back(*r);
                return failed(op, error);
            }
            op.request = r;
            op.underway = true;
            return attempt::would_block;
        }
        default: return failed(op, last_error());
    }
    if (op.kind == operation_kind::wait_process) {
        DWORD code = 0;
        if (!::GetExitCodeProcess(handle, &code)) return failed(op, last_error());
        auto& process = static_cast<process_operation&>(op);
        process.code = exited;
        process.status = static_cast<int>(code);
    }
    return attempt::done;
}

void iocp::signalled(void* request, BOOLEAN) noexcept {
    auto& r = *static_cast<completion_request*>(request);
    if (r.posted.exchange(true)) return;
    while (!::PostQueuedCompletionStatus(r.port, 0, 0, &r.overlapped)) ::Sleep(1);
}

}  // namespace bight::detail
