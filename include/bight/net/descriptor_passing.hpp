// send_descriptors, receive_descriptors: pass open descriptors over Unix sockets, of streams and of
// datagrams.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/payload.hpp>
#include <bight/io/received_datagram.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <cstddef>
#include <system_error>
#include <type_traits>
#include <vector>

namespace BIGHT_EXPORT bight {

class datagram_socket;
class listener;

/// The most descriptors that one message takes: SCM_MAX_FD of Linux, and less than the others take.
inline constexpr std::size_t most_descriptors_of_a_message = 253;

/// Sends copies of `descriptors` to the process at the other end of a Unix socket, together with a copy of
/// `bytes`, of which there is at least one: they go with the first (SCM_RIGHTS, see unix(7)). At most
/// most_descriptors_of_a_message. Completes when all bytes are taken; a full buffer is waited for. The
/// descriptors stay the caller's, and are to be open until the await has ended; then they may be closed,
/// although the peer has not received them yet.
///
/// Not the native_handle() of a stream: that ends its connection when it goes, whoever else has a descriptor
/// of it. Take its socket out first: release_descriptor.
///
/// It has its turn among the outboxes and buffered_writers of `to`, and after a write that is pending; what
/// is written after it comes after it.
///
/// Throws std::system_error: EINVAL for no bytes, no descriptors or too many; EBADF for one that is not open;
/// ETOOMANYREFS when more of this user's descriptors are on their way than this process may have open
/// (Linux); EOPNOTSUPP for a stream that is no Unix socket, and on Windows, which passes none; and what
/// stream::write throws. After an error of the first kinds nothing was sent, and the stream goes on; like any
/// write that has failed, EBADF and ETOOMANYREFS make it end with a reset if no other write follows.
///
/// Cancelled before its first byte is taken, it has sent nothing; after that the descriptors are sent, and
/// the connection ends with a reset like that of every write that is cut short. Thread: the stream's.
task<> send_descriptors(stream& to, std::vector<int> descriptors, payload bytes);
/// The same for one.
task<> send_descriptor(stream& to, int descriptor, payload bytes);
/// The same for one that the message owns until it has ended, however it ends, and closes then. So is one to
/// be sent by a task that is spawned: a number could be closed before that begins, and be another file's.
task<> send_descriptor(stream& to, owned_descriptor descriptor, payload bytes);

/// Descriptors that came over a Unix socket, in the order in which they were sent. They are close-on-exec.
struct received_descriptors {
    std::vector<owned_descriptor> descriptors;
    /// Why some of what was sent is not here, but closed: errc::too_long for more than the limit, EMFILE when
    /// this process could not have more open (or was not allowed to have these), errc::not_accepted when the
    /// stream was not told to accept any, so that nobody knows. Empty: nothing is missing.
    std::error_code missing;
};

/// Has the reads of `from` take the descriptors that come with the bytes, from now on: those of
/// stream::read_some and of everything above it, such as a line_reader. take_descriptors gives them. At most
/// `limit` wait to be taken; what comes beyond that is closed, by the kernel where it can (Linux), so that a
/// peer cannot fill this process's table.
///
/// Without this call, reads take bytes alone, and the kernel closes what comes with them. So it is to be made
/// before the first read: a reactor on io_uring reads ahead. Such a stream then is not read ahead, each
/// read costs a system call, and read_some without memory holds 4 KiB of its own while it waits.
///
/// On Linux it switches off SO_PASSCRED, SO_PASSSEC and SO_PASSPIDFD of the socket, if they are on: what they
/// add to each message would take the room of descriptors. They are to stay off.
///
/// Calling it again changes the limit; a lower one holds for a read that waits, too. Throws
/// std::system_error: errc::busy when the stream was read before, EINVAL for a limit of 0, EOPNOTSUPP for a
/// stream that is no Unix socket, and on Windows. Thread: the stream's.
void accept_descriptors(stream& from, std::size_t limit = 16);

/// The descriptors that came with what was read so far, and were not taken before. A read never goes on
/// behind bytes that came with descriptors (Linux), so those of two messages are never mixed, and they belong
/// to one of the bytes of the latest read, or to bytes before it. Where a protocol must know which, it says
/// so in its bytes: "2 descriptors". Of a Unix socket that was not told to accept any there are none, and
/// `missing` is errc::not_accepted; of an empty stream it is EBADF. Of a stream that passes none there are
/// none, and of one that this side has aborted, or has closed to the end, no more. Throws nothing. Thread:
/// the stream's.
received_descriptors take_descriptors(stream& from) noexcept;

/// One read, as receive_descriptors gives it.
struct received_message : received_descriptors {
    std::size_t size = 0;  ///< how many bytes came; 0 at the end of the stream
};

/// Reads what has come, at least one byte, into `memory` (stream::read_some), with the descriptors that came
/// along; waits for both. The first call does what accept_descriptors does, with this limit, unless that was
/// called before; later ones leave the limit as it is. Throws what accept_descriptors and stream::read_some
/// throw, and EINVAL for memory of 0 bytes. Cancelled, it has taken neither bytes nor descriptors.
task<received_message> receive_descriptors(stream& from, mutable_buffer memory, std::size_t limit = 16);

/// A datagram, as receive_descriptors gives it, with what came along.
struct received_with_descriptors : received_descriptors {
    received_datagram datagram;
};

/// Waits for a datagram as datagram_socket::receive_from does, and takes the descriptors that come along: at
/// most `limit`, and most_descriptors_of_a_message; what is beyond that is closed, by the kernel where it can
/// (Linux), and `missing` says so. They belong to this one datagram; datagram_socket::receive_from and
/// receive_many take none, and the kernel closes what came with theirs.
///
/// The first call switches off SO_PASSSEC, SO_PASSPIDFD and SO_TIMESTAMP of the socket on Linux, and
/// SO_PASSCRED unless datagram_options::tell_sender has asked for it: what they add would take the room of
/// descriptors.
///
/// Throws std::system_error: EOPNOTSUPP for a socket that is no Unix socket, EINVAL for a limit of 0, and
/// what receive_from throws. Cancelled, it has taken neither the datagram nor descriptors. Thread: the
/// socket's.
task<received_with_descriptors> receive_descriptors(datagram_socket& from, mutable_buffer memory,
                                                    std::size_t limit = 16);

/// Sends a copy of `bytes`, which may be none, as one datagram, together with copies of `descriptors`: to the
/// address, or without one to the peer. Waits for room as datagram_socket::send_to does. The descriptors stay
/// the caller's, and are to be open until the await has ended; then they may be closed.
///
/// Throws std::system_error: EINVAL for no descriptors or too many; EBADF for one that is not open;
/// ETOOMANYREFS when more of this user's descriptors are on their way than this process may have open
/// (Linux); ENOBUFS for more than the kernel takes as control data at once (Linux, net.core.optmem_max);
/// EOPNOTSUPP for a socket that is no Unix socket; and what send_to and send throw. Nothing was sent
/// then, and the socket goes on. Cancelled, it has sent all or nothing. Thread: the socket's.
task<> send_descriptors(datagram_socket& by, std::vector<int> descriptors, payload bytes, address to = {});
/// The same for one.
task<> send_descriptor(datagram_socket& by, int descriptor, payload bytes, address to = {});
/// The same for one that the datagram owns until it has ended, and closes then.
task<> send_descriptor(datagram_socket& by, owned_descriptor descriptor, payload bytes, address to = {});

// A stream is no descriptor.
template <class To, class S>
    requires(std::is_same_v<std::remove_cvref_t<S>, stream>)
auto send_descriptor(To&, S&&, const payload&, const address& = {}) {
    constexpr bool stays = !std::is_same_v<std::remove_cvref_t<S>, stream>;
    static_assert(stays,
                  "a stream ends its connection when it goes, whoever else has a descriptor of it: take its "
                  "socket out first, auto socket = bight::release_descriptor(std::move(client)); co_await "
                  "bight::send_descriptor(to, std::move(socket), bytes)");
    return detail::refused_operation();
}

/// Takes the socket out of a stream, which is empty afterwards: to be passed to another process, say. The
/// connection is neither ended nor reset, when the descriptor is closed, either, as long as somebody else has
/// one. Works for every kind of socket, which is non-blocking unless it was adopted.
///
/// An outbox of the stream is of no use afterwards: what it is given is lost.
///
/// Throws std::system_error, and leaves the stream as it was: errc::busy, with a message that says which of
/// these it is: while a read, a write, an outbox or a close has something to do there (an outbox until its
/// flush() has ended: whether a message goes out at once is the reactor's matter), when bytes were given back
/// (stream::unread) or descriptors have come that were not taken, and when it was ever read by read_some
/// without memory, read_until, a line_reader or a buffered_reader (unless it accepts descriptors), for then
/// bytes may have been taken from the socket that are not yet read (io_uring). read_some into memory,
/// read_exactly and until_peer_gone take no more than they give. errc::aborted when a write was cut short
/// after its first byte, for the peer has a part of it; one that was cancelled before has sent nothing, and
/// is no obstacle. errc::wrong_thread in a forked child, for it is the parent's. EBADF for an empty stream,
/// EOPNOTSUPP for one without a socket, and on Windows. Thread: the stream's.
owned_descriptor release_descriptor(stream&& of);

/// What release_listener takes out of a listener.
struct released_listener {
    /// The listening socket. Who connects is queued by the system as before, whoever accepts.
    owned_descriptor socket;
    /// Connections that were accepted already, and given to nobody, oldest first: a reactor on io_uring
    /// accepts ahead. To be passed along, or served here (connect(one.as_endpoint())); destroying one ends
    /// it.
    std::vector<owned_descriptor> accepted;
};

/// Takes the socket out of a listener, which is empty afterwards: to be passed to another process, say. It
/// listens on as long as somebody has a descriptor of it, and no connection is lost: neither one in the
/// system's queue nor one that was accepted ahead. A socket that was adopted blocks again if it did before.
///
/// The file of a Unix socket stays, so that clients find the way, and is nobody's from then on: `listen` at
/// its path replaces it when no process listens there any more.
///
/// Throws std::system_error, and leaves the listener as it was: errc::busy while an accept waits that was
/// not cancelled, or when the kernel cannot stop accepting ahead at once; errc::wrong_thread in a forked
/// child, for it is the parent's; EBADF for an empty or closed listener; EOPNOTSUPP for one whose connections
/// come from another reactor (sharding::hand_over), and on Windows. Throws std::bad_alloc. Thread: the
/// listener's.
[[nodiscard]] released_listener release_listener(listener&& of);

}  // namespace bight
