// What a demultiplexer works on: descriptors, and the operations asked of them. docs/design/operations.md
// says what each demultiplexer does with each kind.
#pragma once

#include "demultiplexer_space.hpp"
#include "native_handle.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/work_item.hpp>
#include <bight/core/export.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace detail {

class demultiplexer;
class operation;
struct ring_state;

/// An open descriptor that a demultiplexer knows, and has in its list from attach to detach. Its owner (a
/// transport, a listener) derives from it, and is kept alive through `keep` and `drop` while an operation, or
/// the kernel, holds it.
class descriptor : public list_hook<descriptor> {
  public:
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    virtual void keep() noexcept = 0;
    virtual void drop() noexcept = 0;

    native_handle fd = invalid_handle;
    demultiplexer* demux = nullptr;     ///< null before attach, and after the demultiplexer has gone
    operation* reading = nullptr;       ///< the first one that reads and is pending; others are behind it
    operation* writing = nullptr;       ///< the first one that writes
    operation* last_reading = nullptr;  ///< the last one, if there are others
    operation* last_writing = nullptr;

    // For the demultiplexers that wait for readiness. Edges are waited for (epoll) or levels asked about
    // (poll, select); either way an event sets may_read or may_write, a try that says EAGAIN clears it, and
    // while it is clear nothing is tried. `drain` keeps a short read from clearing it: where the kernel has
    // reported an end, an error or urgent data, no further event may come.
    bool may_read = true;  ///< a try may succeed: nothing has said EAGAIN since the last event
    bool may_write = true;
    bool drain = false;  ///< the kernel reported an end, an error or urgent data: read until EAGAIN
    bool short_read_empties = false;  ///< TCP: a read that fills less than it could has emptied the socket
    bool is_non_blocking = false;     ///< io_uring: known to be so, for the calls that are tried
    bool was_blocking = false;        ///< made non-blocking here: others share it, so it is put back
    bool is_shared = false;           ///< it listens, and others who share it may put its mode back meanwhile
    bool never_waits = false;  ///< every call says so itself: its mode, which others may share, is left alone
    int slot = -1;             ///< poll, select: where it stands in their tables

    // For io_uring: what arrives while nobody reads.
    ring_state* ring = nullptr;

  protected:
    descriptor() noexcept = default;
    ~descriptor();
};

/// The most bytes that an operation moves before others have their turn, whatever it is asked for and however
/// fast the peer is. A receive gives at most so many; a send goes on in the next turn. Far below what the
/// kernel takes in one call (2 GiB), far above what makes a system call cheap.
inline constexpr std::size_t transfer_budget = std::size_t{1} << 20;
/// The most system calls that it makes until then.
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
    wait_process,  ///< for the process of a pidfd
    // Without a descriptor: file_operation.hpp
    open_file,  ///< result: a handle, close-on-exec
    close_file,
    read_at,   ///< result: bytes, 0 at the end of the file
    write_at,  ///< result: bytes; fewer than there were when the disk is full, say
    sync_file,
    stat_path,
    stat_file,
    remove_path,
};

/// The kind says which of the derived classes it is. Started with demultiplexer::start. `completed` is called
/// exactly once, from the reactor's loop, unless start said that it finished at once or cancel said that it
/// is gone. From start to that moment it belongs to the demultiplexer.
///
/// Operations of one direction on one descriptor are carried out in the order in which they were started.
///
/// Where it stands, by its flags (- is false, * is either), and who moves it on:
///
/// | in_flight | underway | settled | state | moved on by |
/// | --- | --- | --- | --- | --- |
/// | - | * | * | its owner's: not started, or over; what the flags say is of last time | start |
/// | yes | - | - | it waits: for readiness, behind others of its direction, or (io_uring) for what a
/// multishot brings | an event, which queues it for a try (settle); cancel, which takes it out | | yes | yes
/// | - | the kernel has it; of a connect that waits for readiness: the call was made | its completion, or an
/// event | | yes | * | yes | over, and in the ready queue: `result` is final, and cancel changes nothing |
/// run, which calls completed |
///
/// `cancel_asked` goes with the second and third of these: whoever tries it once more, or hears of its
/// completion, ends it with -ECANCELED unless it has a result by then. Only where it can be taken out at
/// once, nobody has to be asked, and cancel ends it itself.
class operation : public work_item {
  public:
    operation_kind kind = operation_kind::receive;
    bool in_flight = false;
    bool settled = false;         ///< the result is final (else run() must try the call once more)
    bool cancel_asked = false;    ///< it cannot be taken back, but need not wait any more
    bool underway = false;        ///< the kernel has it (io_uring), or its call was made (connect)
    std::uint8_t stage = 0;       ///< the demultiplexer's own: how far it is
    std::int64_t result = 0;      ///< bytes, a handle, or 0; or a negative error number of the system
    descriptor* on = nullptr;     ///< null for an operation without one
    operation* behind = nullptr;  ///< the next one that waits on the same descriptor

    [[gnu::noinline]] void run() noexcept override;

    /// The error number, or 0.
    int error() const noexcept { return result < 0 ? static_cast<int>(-result) : 0; }

  protected:
    operation() noexcept = default;
    ~operation() = default;
    /// The result is there; called from the ready queue. It may start the operation again.
    virtual void completed() noexcept = 0;
};

/// An operation of kind receive, receive_into or read.
class receive_operation : public operation {
  public:
    mutable_buffer memory;  ///< receive_into: at least one byte
    chunk data;             ///< receive: what came; empty at the end of the stream

  protected:
    ~receive_operation() = default;
};

/// An operation of kind send or write.
class send_operation : public operation {
  public:
    const_buffer* pieces = nullptr;  ///< changed on the way
    std::size_t piece_count = 0;
    bool begun = false;  ///< set when any byte was sent; whoever starts it clears it
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

/// What one system call, or one submission, sends: the first `count` pieces, of `size` bytes together. Of a
/// single piece it may be a part.
struct sendable {
    std::size_t count = 0;
    std::size_t size = 0;
};

/// As much of what is still to be sent as one call may, at most `limit` bytes.
sendable next_to_send(const send_operation& op, std::size_t limit) noexcept;

/// An operation of kind connect.
class connect_operation : public operation {
  public:
    const sockaddr* address = nullptr;
    socklen_t address_size = 0;

  protected:
    ~connect_operation() = default;
};

/// An operation of kind receive_message: one datagram, or what a stream has. Result: bytes.
class receive_message_operation : public operation {
  public:
    mutable_buffer* pieces = nullptr;
    std::size_t piece_count = 0;
    void* address = nullptr;  ///< where from; may be null
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
    const void* address = nullptr;  ///< where to; null when the socket is connected
    socklen_t address_size = 0;
    const void* control = nullptr;
    std::size_t control_size = 0;
    int asked_flags = 0;

  protected:
    ~send_message_operation() = default;
};

/// An operation of kind wait_process: the process has ended, and is reaped. Result: 0.
class process_operation : public operation {
  public:
    int code = 0;    ///< CLD_EXITED, CLD_KILLED or CLD_DUMPED
    int status = 0;  ///< the exit status, or the signal

  protected:
    ~process_operation() = default;
};

/// Whether it is `reading` or `writing` of its descriptor.
constexpr bool reads(operation_kind kind) noexcept {
    switch (kind) {
        case operation_kind::receive:
        case operation_kind::receive_into:
        case operation_kind::accept:
        case operation_kind::poll_read:
        case operation_kind::read:
        case operation_kind::receive_message:
        case operation_kind::wait_process: return true;
        default: return false;
    }
}

/// The first operation in the direction of `op`.
inline operation*& place_of(operation& op) noexcept {
    return reads(op.kind) ? op.on->reading : op.on->writing;
}

/// Puts `op` behind those that wait in its direction. True when there are none.
bool join_line(operation& op) noexcept;
/// Takes it out again, wherever it stands.
void leave_line(operation& op) noexcept;

}  // namespace detail
}  // namespace bight
