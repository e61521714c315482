// copy, relay: pass on what a stream gives, in one direction or in both.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// Writes everything that `from` gives to `to`, until the end of `from`; gives the number of bytes. The end
/// is not passed on: `to` can be written to afterwards. A peer that does not read holds up the reading
/// (back-pressure); the memory is one receive buffer, whatever comes. In bulk between two sockets the bytes
/// stay in the kernel (Linux: splice(2)), unless reactor_options::largest_receive is below 64 KiB or
/// bulk_memory is 0. Each write waits for its turn: what outboxes and buffered_writers of `to` hold goes out
/// first.
///
/// Throws the error of the read or of the write. When the read fails after something was copied, `to` ends
/// with a reset, however it is ended, for its peer would take a part for the whole. Urgent data (MSG_OOB) is
/// not passed on, nor are descriptors that come over a Unix socket (SCM_RIGHTS), which are closed, unless
/// `from` accepts them (net/descriptor_passing.hpp). When it is cancelled, or the write fails, bytes that
/// were read and not written are lost; like every write that is cut short, this makes `to` end with a reset.
/// Both streams must live until it has ended, and belong to the reactor of the task.
task<std::uint64_t> copy(stream& from, stream& to);
/// The same, and counts in `so_far`, from 0: the bytes that have been written, also when it ends with an
/// error or is cancelled, and for others to look at while it goes on. Of a write that is not done, one of at
/// most 256 KiB, only what is spliced is counted.
task<> copy(stream& from, stream& to, std::uint64_t& so_far);
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto copy(detail::anything = {}, detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "copy(from, to) takes two streams that have names, are not const, and outlive it: auto to = co_await "
        "bight::connect(where); co_await bight::copy(from, to); copy(from, to, so_far) counts in a "
        "std::uint64_t that has a name; of a buffered_reader, give_back() first, and copy its stream; for a "
        "time limit see with_timeout and with_idle_timeout");
    return detail::refused_operation();
}

/// How many bytes relay has passed on.
struct relayed {
    std::uint64_t from_a = 0;
    std::uint64_t from_b = 0;
};

/// Copies in both directions at once, until both streams have ended: a proxy. The end of one is passed on
/// with shutdown_write, while the other direction goes on (half-close), after what outboxes still have for
/// it, however long that takes. A failed read in one direction cancels the other, and is thrown, when the
/// other peer has what came before it; that is waited for as long as a close would
/// (stream::set_close_deadline). A write that fails because its connection is over (EPIPE, ECONNRESET, …) is
/// thrown when the other direction has come to its end, too, for that peer may have answered before, or has
/// been silent for five seconds; what is still sent to it is discarded until then. Any other failed write is
/// thrown at once. Streams that are destroyed because of an error end with a reset, so both peers notice.
/// Cancellation does the same, whatever becomes of the streams afterwards: one whose end was not passed on
/// ends with a reset. A reset is noticed when its stream is read from or written to: not while that waits for
/// the other peer to read. A peer that neither ends nor sends keeps it waiting: set a time-out, or
/// keep-alive.
task<relayed> relay(stream& a, stream& b);
/// The same, and counts in `so_far`, as copy does: for a log of what went through before a reset or a
/// time-out.
task<> relay(stream& a, stream& b, relayed& so_far);
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto relay(detail::anything = {}, detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "relay(a, b) takes two streams that have names, are not const, and outlive it: auto b = co_await "
        "bight::connect(where); co_await bight::relay(a, b); relay(a, b, so_far) counts in a bight::relayed "
        "that has a name; of a buffered_reader, give_back() first, and relay its stream; for a time limit "
        "see "
        "with_timeout and with_idle_timeout");
    return detail::refused_operation();
}

}  // namespace bight
