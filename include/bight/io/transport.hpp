// transport: the interface to implement for a new kind of stream.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/detail/receive_target.hpp>
#include <bight/io/detail/transport.hpp>
#include <bight/io/socket_options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

class transport;
class address;

/// One read. Either `into` has memory to fill (at least one byte: `count` says how many came, 0 at the end of
/// the stream), or `into.data` is null and the transport hands out `data` in a buffer of its own (empty at
/// the end).
class read_request : public detail::transport_request, public detail::receive_target {
  public:
    std::size_t count = 0;

    /// As transport_request::complete_now, but without virtual calls: most waits of a server end here.
    void complete_now() noexcept;
    /// As transport_request::complete_cancelled; a read that was not itself cancelled belongs to a stream
    /// that is being closed, and gets `closed`.
    void complete_cancelled() noexcept;
    void cancel() noexcept final;
    void describe(std::string& out) const final;

  protected:
    void settled() noexcept final;
    read_request(transport* from, mutable_buffer memory) noexcept
        : transport_request(from), receive_target{memory, chunk()} {}
    read_request(read_request&&) noexcept = default;
    ~read_request() = default;
};

/// One write of all of `count` pieces. The transport may change the pieces during the write (they are a copy
/// of the caller's); the memory that they point to stays valid and unchanged until it answers.
class write_request : public detail::transport_request {
  public:
    bool begun;  ///< whether any byte was taken; the transport sets it before it answers, unless all were
    const_buffer* pieces;
    std::size_t count;

    void cancel() noexcept override;
    void describe(std::string& out) const override;
    /// As transport_request::complete_cancelled; if the write was begun, the connection will end with a reset
    /// (transport::write_cut).
    void complete_cancelled() noexcept;
    /// See transport::claim_writer.
    virtual void writer_free() noexcept {}
    /// What writes, for the message of the error that others get meanwhile ("a buffered_writer"); null for a
    /// task.
    virtual const char* writes_as() const noexcept { return nullptr; }
    /// Whether it has its turn and writes nothing now, so that the transport has nothing to answer.
    virtual bool only_has_turn() const noexcept { return false; }

  protected:
    void settled() noexcept override;
    // Members that are not set here are set before they are read; this constructor must be fast.
    explicit write_request(transport* to) noexcept  // NOLINT(*-member-init)
        : transport_request(to) {}
    write_request(write_request&& other) noexcept  // NOLINT(*-member-init)
        : transport_request(std::move(other)) {}
    ~write_request() = default;
    /// For one that may be the stream's writer before its pieces are known.
    void have_nothing_yet() noexcept {
        pieces = nullptr;
        count = 0;
    }
};

/// How a peer has gone.
enum class peer_ending : std::uint8_t {
    ended,   ///< it has sent the end of its stream; it may still read
    failed,  ///< the connection was reset or timed out, which reads and writes tell
};

/// A wait for the end of the peer; the transport sets `ending` before it answers.
class watch_request : public detail::transport_request {
  public:
    peer_ending ending = peer_ending::ended;

    /// As read_request::complete_cancelled.
    void complete_cancelled() noexcept;
    void cancel() noexcept final;
    void describe(std::string& out) const final;

  protected:
    void settled() noexcept final;
    explicit watch_request(transport* of) noexcept : transport_request(of) {}
    watch_request(watch_request&&) noexcept = default;
    ~watch_request() = default;
};

/// The end of a connection, or of its outgoing direction.
class end_request : public detail::transport_request {
  protected:
    explicit end_request(transport& of) noexcept : transport_request(&of) {}
    ~end_request() = default;
};

/// A bidirectional byte-stream connection. `stream` is the handle that users hold; it checks that there is
/// one reader and one writer at a time, and forwards its calls here. All calls come on the reactor's thread.
///
/// `read`, `write`, `shutdown_write` and `close` give true when they finished at once (the request then holds
/// the outcome), and false when they will call `request.complete` later, from the reactor's loop and never
/// from inside the call. Until then the transport owns the request and the memory that it names.
/// `cancel_read` and `cancel_write` ask for an early end of the pending request: the answer is `complete`, if
/// it was done anyway, or `complete_cancelled`; either may come from inside the call. A pending read may be
/// cancelled twice: by its task, and because its stream is being closed. A shutdown or close is cut short by
/// `abort`, on cancellation and at its deadline.
class transport {
  public:
    transport(const transport&) = delete;
    transport& operator=(const transport&) = delete;

    virtual bool read(read_request& request) noexcept = 0;
    virtual bool write(write_request& request) noexcept = 0;
    virtual void cancel_read() noexcept = 0;
    virtual void cancel_write() noexcept = 0;

    // For copy, relay and send_file: transfers within the kernel. The default is a transport without them.

    /// Whether read_into_pipe may be called now: nothing that was received stands outside the kernel.
    virtual bool fills_pipes() const noexcept { return false; }
    virtual bool writes_in_kernel() const noexcept { return false; }
    /// As `read` and `write`, into a pipe and from wherever the kernel has the bytes: a read ends when any
    /// were moved (`count`), a write when all were.
    virtual bool read_into_pipe(detail::pipe_read& request) noexcept;
    virtual bool write_in_kernel(detail::kernel_write& request) noexcept;

    // For copy and relay, where the bytes are copied.

    /// About how many bytes a write would take at once; the greatest number when that cannot be told.
    virtual std::size_t room() const noexcept { return std::size_t(-1); }
    /// The next read is for bytes that are written to `to`: it takes no larger buffer than that has room for,
    /// so that a peer that does not read holds up none. True when the next would have taken a larger one.
    virtual bool receive_for(const transport& to) noexcept {
        (void)to;
        return false;
    }

    /// Waits until the peer has gone, independently of reads and writes, and takes nothing. As with a read,
    /// true when it is known at once (or cannot be told here: ENOTSUP), and cancel_watch asks for an early
    /// end.
    virtual bool watch(watch_request& request) noexcept;
    virtual void cancel_watch() noexcept {}

    /// Ends the outgoing direction. Called once, when no write is pending. A peer that has gone already is no
    /// error.
    virtual bool shutdown_write(end_request& request) noexcept = 0;
    /// Ends the connection gracefully. Called once, when no write is pending. From the call on is_open is
    /// false. A pending read has been cancelled before, or is one that discards input while the stream
    /// closes: that one goes on if the transport lingers, and otherwise completes with `closed`. Answers when
    /// everything that this side sends is on its way.
    virtual bool close(end_request& request) noexcept = 0;
    /// Ends the connection at once, and tells the peer where the medium can (TCP: a reset). Pending requests
    /// complete with `reason` in the next turn. Idempotent; when is_open is false it does nothing, unless a
    /// shutdown or close is pending.
    virtual void abort(std::error_code reason) noexcept = 0;

    // Some transports must linger after `close` has answered, because closing at once could destroy data on
    // its way to the peer: they are read until the peer's end comes, then let go. If that end was read
    // before, it is read again.

    virtual bool lingers() const noexcept { return false; }
    /// Whether the peer is known to have received everything that was sent.
    virtual bool delivered() const noexcept { return true; }
    /// Ends the lingering; called once. A pending read completes.
    virtual void let_go() noexcept {}

    /// Submits what was started, because the task that wrote may hold up the reactor from now on.
    virtual void push() noexcept {}
    /// False when its reactor, which carried it, has gone.
    virtual bool attached() const noexcept { return true; }
    /// In a forked child: the connection belongs to the parent; releases the child's resources without
    /// telling the peer anything.
    virtual void forget() noexcept {}

    /// True until close or abort, which the implementation reports with set_closed.
    bool is_open() const noexcept { return open_; }
    /// The error of reads and writes that are not accepted: `closed`, or the reason of the abort.
    std::error_code why_closed() const noexcept {
        return open_ ? make_error_code(errc::closed) : why_closed_;
    }
    /// True until close or abort of the stream, which comes before that of the transport: pending writes are
    /// waited for in between.
    bool accepts_reads() const noexcept { return accepts_reads_; }
    /// The same, but only until shutdown_write.
    bool accepts_writes() const noexcept { return accepts_writes_; }
    virtual address peer() const;
    virtual address local() const;
    /// The underlying descriptor, or -1.
    virtual int native_handle() const noexcept { return -1; }
    /// Transports without these options do nothing and give no error.
    virtual std::error_code set_no_delay(bool on) noexcept;
    virtual std::error_code set_keep_alive(bool on) noexcept;
    /// Throws std::system_error, which names the option.
    virtual void set_options(const socket_options& options);
    virtual socket_options options() const;
    virtual void describe(std::string& out) const;
    /// How many bytes of the pending write the medium has not taken. The default counts what the request
    /// names, for implementations that drop from it what they have sent.
    virtual std::size_t unwritten() const noexcept;

    reactor& home() const noexcept { return *home_; }

    // A transport is kept alive by its streams and by pending requests.
    void retain() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) unused();
    }

    // The state that `stream` keeps for every transport.

    read_request* reader() const noexcept { return reader_; }
    write_request* writer() const noexcept { return writer_; }
    watch_request* watcher() const noexcept { return watcher_; }
    /// The closer that is ending it, or its outgoing direction; null before and afterwards.
    detail::closer* closer() const noexcept { return closer_; }
    /// Bytes that were read and returned: the next read gets them first.
    chunk& unread() noexcept { return unread_; }

    /// Said by who reads ahead. Until it says `none`, the reads of all others get errc::busy: they would take
    /// bytes out of the middle of what is read there.
    void set_look_ahead(detail::look_ahead now) noexcept {
        ahead_ = now;
        plain_reads_ = reads_plainly_now();
    }
    detail::look_ahead look_ahead() const noexcept { return ahead_; }

    /// Whether nothing stands between a read and the transport: no other read, no bytes that were given back
    /// or read ahead, no close, no idle time-out.
    bool reads_plainly() const noexcept { return !reader_ && !unread_ && plain_reads_; }
    /// The same for a write.
    bool writes_plainly() const noexcept { return !writer_ && plain_writes_; }
    /// Starts `request`, and makes it the pending read unless it finished at once: then it gives true, also
    /// for an error.
    bool start_read(read_request& request) noexcept {
        if (!reads_plainly()) [[unlikely]]
            return read_if_allowed(request);
        reader_ = &request;
        if (!read(request)) return false;
        reader_ = nullptr;
        return true;
    }
    /// The same for who reads ahead, and has said so.
    bool start_read_ahead(read_request& request) noexcept {
        const detail::look_ahead said = std::exchange(ahead_, detail::look_ahead::none);
        const bool done = read_if_allowed(request);
        ahead_ = said;
        return done;
    }
    bool start_write(write_request& request) noexcept {
        if (!writes_plainly()) [[unlikely]]
            return write_if_allowed(request);
        if (write(request)) return true;
        writer_ = &request;
        return false;
    }
    /// The same for a transfer into a pipe.
    bool start_pipe_read(detail::pipe_read& request) noexcept;
    bool start_watch(watch_request& request) noexcept;
    /// Makes `request` the stream's writer until end_write, for requests that write more than once, or wait
    /// for those that do. Returns
    /// errc::busy when others write before it; `request.writer_free()` is called when its turn comes, first
    /// come, first served.
    std::error_code claim_writer(write_request& request) noexcept;
    /// The writer lends its turn to `request`, or takes it back.
    void pass_turn(write_request& request) noexcept { writer_ = &request; }
    /// Gives up a claim whose turn has not come.
    void leave_line(write_request& request) noexcept;
    /// The pending write is done: it is the turn of the next writer, or of the closer.
    void end_write() noexcept;
    /// The bytes of its pieces.
    static std::size_t size_of(const write_request& request) noexcept;
    /// Whether somebody waits in line behind the writer.
    bool writers_wait() const noexcept { return last_writer_ != nullptr; }
    /// To be called when a request that has claimed the stream really writes: a write before it that had sent
    /// nothing is not missed then.
    void forgive() noexcept;
    void end_read() noexcept {
        if (plain_reads_) [[likely]] {
            reader_ = nullptr;
        } else {
            reader_gone();
        }
    }
    /// A write was cancelled before all of it was sent. The connection will end with a reset, however it is
    /// ended, because the peer could not notice the gap; except when nothing was sent (not `begun`) and
    /// another write follows.
    void write_cut(bool begun) noexcept;
    /// Whether the peer has a part of a write whose rest does not come.
    bool write_was_cut_amid() const noexcept { return cut_ == cut::amid; }
    // For idle time-outs; also for requests that call `write` themselves, more than once.

    /// A write is done.
    void has_written() noexcept {
        if (watches_) tell_watches();
    }
    /// Called before a write: what write_waits is to be given.
    std::size_t about_to_write(const write_request& r) const noexcept { return watches_ ? size_of(r) : 0; }
    /// A write waits for the peer.
    void write_waits(std::size_t whole) noexcept {
        if (watches_) tell_watches_of_wait(whole);
    }
    /// Data queued for writing is lost for this reason, which a later close reports.
    void writes_lost(std::error_code why) noexcept {
        if (!lost_) lost_ = why;
    }

    /// Ends the connection, or its outgoing direction, gracefully, after the pending writes and within
    /// `patience`. True when that is done, with the outcome in `error`; otherwise `waiting`, if not null, is
    /// resumed later.
    bool start_end(bool only_writing, duration patience, detail::end_awaiter* waiting,
                   std::error_code& error) noexcept;
    /// The last handle is gone: closes gracefully within the patience, or resets when the handle was
    /// destroyed because of an error.
    void leave() noexcept;
    /// Sets the patience of leave.
    void set_close_patience(duration patience) noexcept { close_patience_ = patience; }
    duration close_patience() const noexcept { return close_patience_; }

  protected:
    explicit transport(reactor& home) noexcept : home_(&home) {}
    /// Only the first call sets the reason.
    void set_closed(std::error_code why) noexcept {
        if (open_) why_closed_ = why;
        open_ = accepts_reads_ = plain_reads_ = accepts_writes_ = plain_writes_ = false;
    }
    virtual ~transport() = default;
    /// The last reference is gone.
    virtual void unused() noexcept = 0;

  private:
    friend class detail::closer;
    friend class detail::activity_watch;
    friend class watch_request;
    enum class cut : std::uint8_t { no, before_its_first_byte, amid };

    bool reads_plainly_now() const noexcept {
        return accepts_reads_ && !watches_ && ahead_ == detail::look_ahead::none;
    }
    bool read_if_allowed(read_request& request) noexcept;
    bool read_begins(read_request& request) noexcept;
    void read_unread(read_request& request) noexcept;
    void has_read(const read_request& request) noexcept;
    void reader_gone() noexcept;
    bool write_if_allowed(write_request& request) noexcept;
    std::error_code refusal() const noexcept;
    void watch(detail::activity_watch& w) noexcept;
    void unwatch(detail::activity_watch& w) noexcept;
    void tell_watches() noexcept;
    void tell_watches_of_wait(std::size_t whole) noexcept;

    reactor* home_;
    read_request* reader_ = nullptr;
    write_request* writer_ = nullptr;
    write_request* last_writer_ = nullptr;  // of those that wait, in a ring: the first one is behind it
    detail::closer* closer_ = nullptr;
    detail::activity_watch* watches_ = nullptr;
    chunk unread_;
    duration close_patience_ = default_close_patience;
    std::error_code why_closed_;
    std::error_code lost_;
    std::uint32_t references_ = 0;
    bool accepts_reads_ = true;
    bool accepts_writes_ = true;
    bool plain_reads_ = true;   // accepts_reads_, nobody watches, and no bytes were read ahead
    bool plain_writes_ = true;  // accepts_writes_, no write was cut short, and nobody watches
    bool open_ = true;
    detail::look_ahead ahead_ = detail::look_ahead::none;
    cut cut_ = cut::no;
    watch_request* watcher_ = nullptr;

    static constexpr std::chrono::seconds default_close_patience{10};
};

// Called at the beginning of every read and write.
inline bool detail::transport_request::may_begin(const reactor& here) const noexcept {
    return transport_ && &transport_->home() == &here;
}

// Called at the end of every read that has waited.

inline void detail::transport_request::go_on() noexcept {
    if (suspended()) {
        ready_now().resume();
    } else {
        run();
    }
}

inline void read_request::complete_now() noexcept {
    to().end_read();
    go_on();
}

}  // namespace bight
