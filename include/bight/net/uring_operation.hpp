// uring_operation: awaits an operation of io_uring that bight has no function for.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <cstdint>
#include <functional>

struct io_uring_sqe;  // of <liburing.h> or <linux/io_uring.h>

namespace BIGHT_EXPORT bight {

/// How an operation of io_uring has ended: what its completion says (struct io_uring_cqe).
struct uring_completion {
    std::int32_t result = 0;
    std::uint32_t flags = 0;
};

/// Submits an operation to the ring of the reactor that runs this task, and waits for its completion:
/// whatever the kernel offers, whether or not bight knows it.
///
///     const auto done = co_await bight::uring_operation(
///         [&](io_uring_sqe& entry) { io_uring_prep_fallocate(&entry, fd, 0, 0, size); });
///
/// `prepare` is called once, on the reactor's thread, with an entry that is zero, and fills it in; it needs
/// no `user_data`, which is bight's. It goes to the kernel together with those of the same turn. What the
/// entry refers to is lent to the kernel until the await has ended, which is not before the kernel has
/// finished with it, cancelled or not; for IORING_OP_SEND_ZC that is its notification. The result is that of
/// the first completion. An operation that completes again and again (a poll, a time-out) is ended by its
/// first completion.
///
/// Throws std::system_error with the errno of a result below zero: EINVAL also for an operation that the
/// kernel does not know. errc::unavailable when the reactor is on another demultiplexer
/// (reactor::demultiplexer_name), on a simulated host or in a forked child: do it in another way there, by
/// offload, say. std::invalid_argument for an entry with IOSQE_IO_LINK, IO_HARDLINK, IO_DRAIN or
/// CQE_SKIP_SUCCESS, which would be about bight's entries, too, and for a multishot that receives or accepts.
/// What `prepare` throws is thrown, and nothing is submitted then.
///
/// Cancelling asks the kernel to cancel the operation (IORING_OP_ASYNC_CANCEL), and waits for its completion:
/// a result that is not below zero is delivered, and the task ends at its next await. An operation that the
/// kernel cannot interrupt is waited for. One that blocks has one of the four worker threads of its reactor's
/// ring.
///
/// Thread: a reactor's. See io_uring_enter(2), io_uring(7).
task<uring_completion> uring_operation(std::function<void(io_uring_sqe&)> prepare);

}  // namespace bight
