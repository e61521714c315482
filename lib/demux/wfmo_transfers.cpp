// Reads and writes of wfmo: on overlapped handles, whose calls end by a call of the system's (an APC) on this
// thread, while it waits. So they need no handle of their own among those that are waited for.
#include "completion_request.hpp"
#include "pipe_results.hpp"
#include "wfmo.hpp"

#include "../core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <new>

namespace bight::detail {

namespace {

HANDLE overlapped_handle_of(const operation& op) noexcept { return reinterpret_cast<HANDLE>(op.on->fd); }

}  // namespace

completion_request* wfmo::request_for(operation& op) noexcept {
    completion_request* r = free_;
    if (r) {
        free_ = r->next;
    } else {
        r = new (std::nothrow) completion_request;
        if (!r) return nullptr;
    }
    r->overlapped = {};
    r->overlapped.hEvent = this;  // which these calls leave to the caller
    r->of = &op;
    r->handle = op.on->fd;
    ++in_kernel_;
    return r;
}

void wfmo::give_back(completion_request& r) noexcept {
    --in_kernel_;
    r.next = free_;
    free_ = &r;
}

attempt wfmo::transfer(operation& op) noexcept {
    if (op.on->slot != overlapped_handle) {
        op.result = -EOPNOTSUPP;
        return attempt::done;
    }
    if (op.kind == operation_kind::read) {
        auto& read = static_cast<receive_operation&>(op);
        return begin_transfer(read, read.target->into.data, read.target->into.size);
    }
    auto& write = static_cast<send_operation&>(op);
    write.advance(0);  // pieces of no bytes
    if (write.piece_count == 0) {
        op.result = 0;
        return attempt::done;
    }
    // One piece after the other: a pipe has no call for several.
    return begin_transfer(write, const_cast<void*>(write.pieces->data), write.pieces->size);
}

attempt wfmo::begin_transfer(operation& op, void* data, std::size_t size) noexcept {
    completion_request* const r = request_for(op);
    if (!r) {
        op.result = -ENOMEM;
        return attempt::done;
    }
    const bool reading = reads(op.kind);
    const auto count = static_cast<DWORD>(std::min(size, transfer_budget));
    const HANDLE handle = overlapped_handle_of(op);
    const BOOL called = reading ? ::ReadFileEx(handle, data, count, &r->overlapped, &has_transferred)
                                : ::WriteFileEx(handle, data, count, &r->overlapped, &has_transferred);
    if (!called) {
        const DWORD error = ::GetLastError();
        give_back(*r);
        op.result = reading ? pipe_read_result(error) : pipe_write_result(error);
        return attempt::done;
    }
    op.request = r;
    op.underway = true;
    return attempt::would_block;
}

// Where nothing is found it has ended, and its call will come.
bool wfmo::stop_transfer(operation& op) noexcept {
    completion_request* const r = op.request;
    if (!r) return false;
    ::CancelIoEx(reinterpret_cast<HANDLE>(r->handle), &r->overlapped);
    return true;
}

void CALLBACK wfmo::has_transferred(DWORD error, DWORD count, OVERLAPPED* call) noexcept {
    auto& r = *reinterpret_cast<completion_request*>(call);
    static_cast<wfmo*>(call->hEvent)->transferred(r, error, count);
}

void wfmo::transferred(completion_request& r, DWORD error, DWORD count) noexcept {
    operation& op = *r.of;
    give_back(r);
    op.request = nullptr;
    op.underway = false;
    const bool reading = reads(op.kind);
    descriptor& d = *op.on;
    const bool attached = d.demux != nullptr;
    const bool given_up = op.cancel_asked || !attached;
    bool over = true;
    std::int64_t result = 0;
    if (reading) {
        result = error != 0 ? pipe_read_result(error) : std::int64_t{count};
        // A write of no bytes is no end; and others may cancel a call, as the end of a thread does.
        if ((error == 0 && count == 0) || result == -ECANCELED) over = false;
    } else {
        auto& write = static_cast<send_operation&>(op);
        write.advance(count);
        if (error != 0) result = pipe_write_result(error);
        over = error != 0 || write.piece_count == 0;
    }
    if (!over && !given_up) {
        became_ready(d, reading, !reading, false);
        return;
    }
    op.result = !over || (result < 0 && given_up) ? -ECANCELED : result;
    op.settled = true;
    detail::reactor_access::schedule(home(), op);
    if (!attached) return;
    (reading ? d.may_read : d.may_write) = true;
    make_way(op);
}

}  // namespace bight::detail
