// transport: what one implements to make a new kind of stream.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/detail/transport.hpp>

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
class read_request : public detail::transport_request {
  public:
    mutable_buffer into;
    std::size_t count = 0;
    chunk data;

    /// As transport_request's, without the detour: most of what a server waits for ends here.
    void complete_now() noexcept;
    /// As transport_request's; who did not ask for it reads from a stream that is being closed, and gets
    /// `closed`.
    void complete_cancelled() noexcept;
    void cancel() noexcept final;
    void describe(std::string& out) const final;

  protected:
    void settled() noexcept final;
    read_request(transport* from, mutable_buffer memory) noexcept : transport_request(from), into(memory) {}
    read_request(read_request&&) noexcept = default;
    ~read_request() = default;
};

/// One write of `count` pieces, all of them. The transport may change the pieces while it works (they are a
/// copy of what the caller gave); what they point to stays valid and unchanged until it answers.
class write_request : public detail::transport_request {
  public:
    const_buffer* pieces = nullptr;
    std::size_t count = 0;
    bool begun;  ///< whether any byte was taken; the transport sets it before it answers, unless all was

    void cancel() noexcept override;
    void describe(std::string& out) const override;
    /// As transport_request's; what was begun makes the end of the connection a reset (transport::write_cut).
    void complete_cancelled() noexcept;
    /// See transport::claim_writer.
    virtual void writer_free() noexcept {}

  protected:
    void settled() noexcept override;
    // What is not set here is set before it is looked at: an echo goes through this.
    explicit write_request(transport* to) noexcept  // NOLINT(*-member-init)
        : transport_request(to) {}
    write_request(write_request&& other) noexcept  // NOLINT(*-member-init)
        : transport_request(std::move(other)), pieces(other.pieces), count(other.count) {}
    ~write_request() = default;

  private:
    friend class transport;
    write_request* next_writer_;  // while it waits for its turn
};

/// The end of a connection, or of its outgoing direction.
class end_request : public detail::transport_request {
  protected:
    explicit end_request(transport& of) noexcept : transport_request(&of) {}
    ~end_request() = default;
};

/// A connection of bytes, both ways. `stream` is the handle that users hold; it forwards here, having checked
/// that there is one reader and one writer at a time. All calls come on the reactor's thread.
///
/// `read`, `write`, `shutdown_write` and `close` give true when they finished at once (the request then holds
/// the outcome), and false when they will call `request.complete` later, from the reactor's loop and never
/// from inside the call. Between the two the request, and the memory it names, belongs to the transport.
/// `cancel_read` and `cancel_write` ask for an early end of the one that is pending: the answer is
/// `complete`, if it was done all the same, or `complete_cancelled`; either may come from inside the call. A
/// read that is pending may be cancelled twice: by its task, and because its stream is being closed. An end
/// is cancelled, and its deadline kept, by `abort`.
class transport {
  public:
    transport(const transport&) = delete;
    transport& operator=(const transport&) = delete;

    virtual bool read(read_request& request) noexcept = 0;
    virtual bool write(write_request& request) noexcept = 0;
    virtual void cancel_read() noexcept = 0;
    virtual void cancel_write() noexcept = 0;

    /// Ends the outgoing direction; called once, when no write is pending. A peer that is gone already is no
    /// error.
    virtual bool shutdown_write(end_request& request) noexcept = 0;
    /// Ends the connection in good order; called once, when no write is pending. From the call on is_open is
    /// false. A read that is pending has been cancelled before, or is one of those that throw away what comes
    /// while a stream closes: it goes on if the transport lingers, and else completes with `closed`. Answers
    /// when all that this side has to say is on its way.
    virtual bool close(end_request& request) noexcept = 0;
    /// Ends it at once, telling the peer so where the medium can (TCP: a reset). What is pending completes
    /// with `reason` in the next turn. Idempotent, and once is_open is false it changes nothing, unless an
    /// end is pending.
    virtual void abort(std::error_code reason) noexcept = 0;

    // A transport that cannot go at once, because that could destroy what is on its way to its peer, lingers
    // after `close` has answered: it is read until the peer's end comes, then let go. An end that was read
    // before is read once more.

    virtual bool lingers() const noexcept { return false; }
    /// Whether the peer is known to have all that was sent.
    virtual bool delivered() const noexcept { return true; }
    /// Once, when it lingers: it lingers no more, and a read that is pending completes.
    virtual void let_go() noexcept {}

    /// The task that wrote may hold up the reactor from now on: what was started goes on its way.
    virtual void push() noexcept {}
    /// False when what carries it has gone with its reactor.
    virtual bool attached() const noexcept { return true; }
    /// In a forked child: the connection is the parent's, and the child lets go of what it has of it, without
    /// a word to the peer.
    virtual void forget() noexcept {}

    /// Until close or abort: the implementation says so with set_closed.
    bool is_open() const noexcept { return open_; }
    /// What reads and writes get that it does not accept: `closed`, or the reason of the abort.
    std::error_code why_closed() const noexcept {
        return open_ ? make_error_code(errc::closed) : why_closed_;
    }
    /// Until close or abort of the stream: before the transport itself is closed, the pending writes are
    /// waited for.
    bool accepts_reads() const noexcept { return accepts_reads_; }
    /// That, and until shutdown_write.
    bool accepts_writes() const noexcept { return accepts_writes_; }
    virtual address peer() const;
    virtual address local() const;
    /// The descriptor beneath, or -1.
    virtual int native_handle() const noexcept { return -1; }
    /// For what has no such option, these do nothing and give no error.
    virtual std::error_code set_no_delay(bool on) noexcept;
    virtual std::error_code set_keep_alive(bool on) noexcept;
    virtual void describe(std::string& out) const;

    reactor& home() const noexcept { return *home_; }

    // A transport is kept by its streams and by what is in flight on it.
    void retain() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) unused();
    }

    // What `stream` keeps track of for every transport.

    read_request* reader() const noexcept { return reader_; }
    write_request* writer() const noexcept { return writer_; }
    /// What ends it, or its outgoing direction, now; null before, and when that is done.
    detail::closer* closer() const noexcept { return closer_; }
    /// Bytes that were read already and given back: the next read gets them first.
    chunk& unread() noexcept { return unread_; }

    /// Makes `request` the pending read, and starts it. True when it finished at once, errors included.
    bool start_read(read_request& request) noexcept {
        if (reader_ || unread_ || !accepts_reads_) [[unlikely]]
            return read_without_transport(request);
        reader_ = &request;
        if (!read(request)) return false;
        reader_ = nullptr;
        return true;
    }
    bool start_write(write_request& request) noexcept {
        if (writer_ || !plain_writes_) [[unlikely]]
            return write_if_allowed(request);
        writer_ = &request;
        if (!write(request)) return false;
        writer_ = nullptr;
        return true;
    }
    /// Makes `request` the stream's writer until end_write, for those that write more than once. errc::busy:
    /// others write before it; `request.writer_free()` will be called when it is its turn, first come, first
    /// served.
    std::error_code claim_writer(write_request& request) noexcept;
    /// The pending write is done: the next one's turn, or the closer's.
    void end_write() noexcept;
    void end_read() noexcept {
        reader_ = nullptr;
        if (!accepts_reads_) [[unlikely]]
            reader_gone();
    }
    /// A write was given up before all of it was sent. Unless nothing of it was (not `begun`) and another one
    /// follows, the peer could not tell what it got from a whole: the connection ends with a reset then,
    /// however it is ended.
    void write_cut(bool begun) noexcept;
    /// What was queued for writing is lost, for this reason: whoever closes learns of it.
    void writes_lost(std::error_code why) noexcept {
        if (!lost_) lost_ = why;
    }

    /// Ends it, or its outgoing direction, in good order, after the pending writes and for at most
    /// `patience`. True when it is done, with `error`; else `waiting` hears of it (null: nobody does).
    bool start_end(bool only_writing, duration patience, detail::end_awaiter* waiting,
                   std::error_code& error) noexcept;
    /// The last handle is gone: closed in good order within the patience, or reset when it goes by an error.
    void leave() noexcept;
    /// For leave.
    void set_close_patience(duration patience) noexcept { close_patience_ = patience; }

  protected:
    explicit transport(reactor& home) noexcept : home_(&home) {}
    /// The first time counts.
    void set_closed(std::error_code why) noexcept {
        if (open_) why_closed_ = why;
        open_ = accepts_reads_ = accepts_writes_ = plain_writes_ = false;
    }
    virtual ~transport() = default;
    /// The last reference is gone.
    virtual void unused() noexcept = 0;

  private:
    friend class detail::closer;
    enum class cut : std::uint8_t { no, before_its_first_byte, amid };

    bool read_without_transport(read_request& request) noexcept;
    void reader_gone() noexcept;
    bool write_if_allowed(write_request& request) noexcept;
    std::error_code refusal() const noexcept;
    void forgive() noexcept;

    reactor* home_;
    read_request* reader_ = nullptr;
    write_request* writer_ = nullptr;
    write_request* next_writer_ = nullptr;  // a list, first come, first served
    write_request* last_writer_ = nullptr;  // its end, when it is not empty
    detail::closer* closer_ = nullptr;
    chunk unread_;
    duration close_patience_ = default_close_patience;
    std::error_code why_closed_;
    std::error_code lost_;
    std::uint32_t references_ = 0;
    bool accepts_reads_ = true;
    bool accepts_writes_ = true;
    bool plain_writes_ = true;  // that, and nothing was cut
    bool open_ = true;
    cut cut_ = cut::no;

    static constexpr std::chrono::seconds default_close_patience{10};
};

// What each read goes through that has waited.

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
