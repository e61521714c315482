// descriptor, operation: what a demultiplexer works on. docs/design/operations.md says what each
// demultiplexer does with each kind.
#pragma once

#include "demultiplexer_space.hpp"
#include "native_handle.hpp"
#include "receive_size.hpp"

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/work_item.hpp>
#include <bight/core/export.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/detail/receive_target.hpp>
#include <bight/io/outgoing_datagram.hpp>
#include <bight/io/received_datagram.hpp>

#include <climits>
#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace detail {

class demultiplexer;
class operation;
struct completion_request;
struct ring_state;

/// An open descriptor, which is in its demultiplexer's list from attach to detach. Its owner (a transport, a
/// listener) derives from it, and is kept alive through `keep` and `drop` while an operation or the kernel
/// uses it.
class descriptor : public list_hook<descriptor> {
  public:
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    virtual void keep() noexcept = 0;
    virtual void drop() noexcept = 0;
    /// Its demultiplexer goes, and is about to close it, as nobody has done so before: for what must be
    /// undone while it is still open.
    virtual void abandoned() noexcept {}

    native_handle fd = invalid_handle;
    int slot = -1;                   ///< poll, select: its place in their tables
    demultiplexer* demux = nullptr;  ///< null before attach, and after the demultiplexer has gone
    operation* reading = nullptr;    ///< the first pending operation that reads; others are linked behind it
    operation* writing = nullptr;    ///< the first pending operation that writes

    // For the demultiplexers that wait for readiness, by edges (epoll) or levels (poll, select). In both
    // cases an event sets may_read or may_write, a call that returns EAGAIN clears it, and no call is tried
    // while it is clear. A short read clears it too, unless `drain` is set: after the kernel has reported an
    // end, an error or urgent data, no further event may come.
    bool may_read = true;  ///< a call may succeed: none has returned EAGAIN since the last event
    bool may_write = true;
    bool drain = false;  ///< the kernel reported an end, an error or urgent data: read until EAGAIN
    bool short_read_empties = false;  ///< TCP: a read that fills less than it could has emptied the socket
    bool is_non_blocking = false;     ///< io_uring: known to be so, for the calls that are tried
    bool was_blocking = false;        ///< made non-blocking here: others share it, so it is put back
    /// A listening socket; others who share it may restore its mode at any time.
    bool is_shared : 1 = false;
    /// Each call is non-blocking by itself: the (shared) mode is not changed.
    bool never_waits : 1 = false;
    /// Nothing but polls is asked of it: it has no mode that matters. (A kqueue's cannot be changed.)
    bool is_only_polled : 1 = false;
    /// It blocks, and others share its mode: each call comes after a poll, and writes no more than is sure to
    /// fit then. Set together with never_waits and is_only_polled.
    bool is_asked_first : 1 = false;
    bool has_little_room : 1 = false;  ///< with is_asked_first: a terminal
    /// epoll: the kernel has reported that the peer ended its direction, and no error: so the end of what
    /// comes is a true one, which nobody needs to ask for.
    bool peer_said_end : 1 = false;
    /// It is an epoll instance. io_uring: a host loop is woken by it itself, for the kernel may not tell the
    /// ring's eventfd of what another eventfd has made ready (see uring::pollable).
    bool wakes_host : 1 = false;
    receive_size receiving;  ///< how much the next receive asks for

    // For io_uring: data that arrives while no operation reads.
    ring_state* ring = nullptr;
#if defined(_WIN32)
    completion_request* end_watch = nullptr;  ///< iocp: the poll for the end of the peer
#endif

    operation* ending = nullptr;  ///< waits for the end of the peer, in no line

  protected:
    descriptor() noexcept = default;
    ~descriptor();
};

/// The most bytes that an operation transfers before others have their turn, however much was requested and
/// however fast the peer is. A receive returns at most this many; a send goes on in the next turn. Far below
/// the limit of one system call (2 GiB), and large enough to make the cost of a system call negligible.
inline constexpr std::size_t transfer_budget = std::size_t{1} << 20;
/// The most system calls that an operation makes until then.
inline constexpr unsigned call_budget = 32;

enum class operation_kind : std::uint8_t {
    receive,       ///< into a buffer of the demultiplexer's choice: `data`
    receive_into,  ///< into `memory`
    send,          ///< all of `pieces`
    accept,        ///< result: a new descriptor, close-on-exec and non-blocking
    connect,       ///< to `address`
    poll_read,     ///< until a read would not block
    poll_write,
    read,   ///< as receive_into, of a pipe or a terminal; result: bytes, 0 at the end
    write,  ///< as send, of a pipe or a terminal; EPIPE, and no signal, when nobody reads any more
    receive_message,
    send_message,
    receive_datagrams,  ///< result: how many came, at least one
    send_datagrams,     ///< result: how many were taken, at least one
    wait_process,       ///< for the process of a pidfd
    poll_end,           ///< until the peer may have ended: see demultiplexer::watch_end
    // Without a descriptor: file_operation.hpp
    open_file,  ///< result: a handle, close-on-exec
    close_file,
    read_at,   ///< result: bytes, 0 at the end of the file
    write_at,  ///< result: bytes; fewer than there were when the disk is full, say
    sync_file,
    stat_path,
    stat_file,
    truncate_file,
    lock_file,
    open_beneath,  ///< open_file, of a path below a directory
    make_directory,
    list_directory,  ///< result: how many
    rename_path,
    remove_path,
    prepared,  ///< io_uring: what a user has prepared (prepared_operation.hpp)
};

/// The base of all operations; `kind` says which derived class it is. Started with demultiplexer::start.
/// `completed` is called exactly once, from the reactor's loop, unless start or cancel reported that it ended
/// at once. Until then the demultiplexer owns it.
///
/// Operations of one direction on one descriptor are carried out in the order in which they were started.
///
/// Its state follows from three flags:
///
/// - Not `in_flight`: it was not started, or is over, and belongs to its owner. (The other flags are those of
///   the last time.) `start` moves it on.
/// - Only `in_flight`: it waits, for readiness, behind others of its direction, or (io_uring) for the results
///   of a multishot. An event moves it on, which queues it for a try (settle), or cancel, which removes it.
/// - `in_flight` and `underway`: the kernel has it, or (readiness) it is a connect whose call was made. Its
///   completion, or an event, moves it on.
/// - `in_flight` and `settled`, `underway` or not: it is over and in the ready queue, `result` is final, and
///   cancel changes nothing. `run` moves it on, which calls `completed`.
///
/// `cancel_asked` may be set while it waits or is underway: then the next try, or its completion, ends it
/// with -ECANCELED unless it has a result. If it can be removed at once, cancel ends it itself and does not
/// set the flag.
class operation : public work_item {
  public:
    operation_kind kind = operation_kind::receive;
    bool in_flight = false;
    bool settled = false;       ///< the result is final (otherwise run() must try the call again)
    bool cancel_asked = false;  ///< it could not be removed at once, but should wait no longer
    bool underway = false;      ///< the kernel has it (io_uring), or its call was made (connect)
    std::uint8_t stage = 0;     ///< for the demultiplexer: its progress
    /// poll_read, poll_write: its owner makes the call anyhow, so that an event will do, unverified.
    bool believes_events = false;
    /// poll_write: its owner has made the call after an event, and found no room; only a change is worth
    /// another answer. On io_uring; epoll tells changes alone, poll and select know none.
    bool tried_in_vain = false;
    std::int64_t result = 0;      ///< bytes, a handle, or 0; or a negative error number of the system
    descriptor* on = nullptr;     ///< null for an operation without one
    operation* behind = nullptr;  ///< the next operation that waits on the same descriptor
#if defined(_WIN32)
    completion_request* request = nullptr;  ///< iocp: its call, while it is underway
#endif

    [[gnu::noinline]] void run() noexcept override;

    /// The error number (see system_error.hpp), or 0.
    int error() const noexcept { return result < 0 ? static_cast<int>(-result) : 0; }

  protected:
    operation() noexcept = default;
    ~operation() = default;
    /// Called from the ready queue when the result is there. It may start the operation again.
    virtual void completed() noexcept = 0;
};

/// An operation of kind receive, receive_into or read.
class receive_operation : public operation {
  public:
    /// receive: `data` is what came; empty at the end of the stream. receive_into, read: `into` is at least
    /// one byte.
    receive_target* target = nullptr;

  protected:
    ~receive_operation() = default;
};

/// An operation of kind send or write.
class send_operation : public operation {
  public:
    const_buffer* pieces = nullptr;  ///< changed during the operation
    std::size_t piece_count = 0;
    bool begun = false;  ///< set when any byte was sent; cleared by the code that starts it
    demultiplexer_space<2 * sizeof(void*)> space;

    /// Drops the first `sent` bytes of what is still to be sent, and pieces of no bytes.
    void advance(std::size_t sent) noexcept {
        if (sent > 0) begun = true;
        while (piece_count > 0 && sent >= pieces->size) {
            sent -= pieces->size;
            ++pieces;
            --piece_count;
        }
        if (sent > 0) {
            pieces->data = static_cast<const char*>(pieces->data) + sent;
            pieces->size -= sent;
        }
    }

  protected:
    ~send_operation() = default;
};

/// The most pieces that one call or submission takes.
#if defined(_WIN32)
inline constexpr std::size_t pieces_of_a_call = 64;
#else
inline constexpr std::size_t pieces_of_a_call = IOV_MAX;
#endif

/// What one system call or submission sends: the first `count` pieces, `size` bytes in all; a single piece
/// may be sent in part.
struct sendable {
    std::size_t count = 0;
    std::size_t size = 0;
};

/// As much of the rest as one call may send, at most `limit` bytes.
sendable next_to_send(const send_operation& op, std::size_t limit) noexcept;

/// An operation of kind connect.
class connect_operation : public operation {
  public:
    const sockaddr* address = nullptr;
    socklen_t address_size = 0;
    int told_error = 0;  ///< kqueue: why it failed, as the event says; SO_ERROR may not say it again

  protected:
    ~connect_operation() = default;
};

/// An operation of kind receive_message: one datagram, or what a stream has. Result: bytes.
class receive_message_operation : public operation {
  public:
    mutable_buffer* pieces = nullptr;
    std::size_t piece_count = 0;
    void* address = nullptr;  ///< receives the sender's address; may be null
    socklen_t address_room = 0;
    void* control = nullptr;  ///< aligned for a cmsghdr; may be null. Descriptors in it are close-on-exec.
    std::size_t control_room = 0;
    int asked_flags = 0;  ///< MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE, …

    socklen_t address_size = 0;  ///< 0: there is none. More than the room when it was cut off.
    std::size_t control_size = 0;
    int flags = 0;  ///< MSG_TRUNC: the datagram was cut off; MSG_CTRUNC: the control data; …

  protected:
    ~receive_message_operation() = default;
};

/// An operation of kind send_message: one datagram, or the beginning of what a stream takes. Result: bytes.
class send_message_operation : public operation {
  public:
    const const_buffer* pieces = nullptr;
    std::size_t piece_count = 0;
    const void* address = nullptr;  ///< the destination; null when the socket is connected
    socklen_t address_size = 0;
    const void* control = nullptr;
    std::size_t control_size = 0;
    int asked_flags = 0;

  protected:
    ~send_message_operation() = default;
};

/// Control data of a single datagram that its owner reads or has written: descriptors.
struct control_along {
    void* data = nullptr;  ///< aligned for a cmsghdr; null: none
    std::size_t size = 0;  ///< of a send; the room of a receive, and afterwards what is filled
    bool arrived = false;  ///< a datagram has been received with it
    bool cut_off = false;  ///< and not all of its control data is here (MSG_CTRUNC)
};

/// The most datagrams of one call.
inline constexpr std::size_t most_datagrams_of_a_call = 64;

/// An operation of kind receive_datagrams: what is there, or the first to come.
class receive_datagrams_operation : public operation {
  public:
    datagram_slot* slots = nullptr;
    std::size_t slot_count = 0;  ///< at least one
    /// The system was asked to tell more than the address of the sender: that takes so much room (see
    /// datagram_control.hpp).
    std::size_t control_room = 0;
    control_along* along = nullptr;  ///< of a single slot, in place of that room
    const address* to = nullptr;     ///< where they came to, unless control data tells it; null: unknown
    std::uint16_t port = 0;          ///< the own one
    /// Fewer datagrams than there are slots were all that was there: no error, either, as a socket with a
    /// peer may have. So the next receive need not ask before it waits (unless `drain` is set: a program may
    /// have asked for errors, which end a call before the datagrams behind them).
    bool few_are_all = false;
    /// How many a call is prepared for before it is known that more are there: what the last ones have got
    /// says it. Preparing for all that may come costs more than one datagram does.
    std::size_t expected = least_expected;
    static constexpr std::size_t least_expected = 8;
    int later_error = 0;  ///< what was met after the first datagram: no call will meet it again. 0: nothing

  protected:
    ~receive_datagrams_operation() = default;
};

/// An operation of kind send_datagrams, of one or several. An error is that of the first one.
class send_datagrams_operation : public operation {
  public:
    const outgoing_datagram* datagrams = nullptr;
    std::size_t count = 0;  ///< of `datagrams`
    // A single one that is in pieces, when `datagrams` is null:
    const const_buffer* pieces = nullptr;
    std::size_t piece_count = 0;
    const address* to = nullptr;  ///< null: the peer
    const control_along* along = nullptr;

    int family = 0;  ///< the socket's
    /// False: it ends with -EAGAIN instead of waiting. Kernels do not report when the socket to which a Unix
    /// datagram is addressed has room, unless it is connected to.
    bool may_wait = true;

  protected:
    ~send_datagrams_operation() = default;
};

/// An operation of kind wait_process: waits until the process has ended, and reaps it. Result: 0.
class process_operation : public operation {
  public:
    bool leaves_it = false;  ///< it is not reaped: another call does that

    int code = 0;    ///< CLD_EXITED, CLD_KILLED or CLD_DUMPED
    int status = 0;  ///< the exit status, or the signal

  protected:
    ~process_operation() = default;
};

/// Whether an operation of this kind is queued at `reading` of its descriptor; otherwise at `writing`.
constexpr bool reads(operation_kind kind) noexcept {
    switch (kind) {
        case operation_kind::receive:
        case operation_kind::receive_into:
        case operation_kind::accept:
        case operation_kind::poll_read:
        case operation_kind::read:
        case operation_kind::receive_message:
        case operation_kind::receive_datagrams:
        case operation_kind::wait_process: return true;
        default: return false;
    }
}

/// The first operation in the direction of `op`.
inline operation*& place_of(operation& op) noexcept {
    return reads(op.kind) ? op.on->reading : op.on->writing;
}

/// Queues `op` behind the operations that wait in its direction. True when there are none.
bool join_line(operation& op) noexcept;
/// Removes it, wherever it is in the queue.
void leave_line(operation& op) noexcept;

}  // namespace detail
}  // namespace bight
