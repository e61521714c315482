// outbox_state: what an outbox and a buffered_writer are handles of.
#pragma once

#include "payload_queue.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/outbox.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

namespace bight::detail {

/// The queue, and the write request that sends it. It lives as long as its outbox, and after that until it
/// has nothing more to write; the transport keeps it alive meanwhile.
class outbox_state final : public write_request {
  public:
    outbox_state(transport& t, const outbox_options& options, bool gathers = false) noexcept
        : write_request(&t), options_(options), gathers_(gathers) {
        have_nothing_yet();
        t.retain();
    }

    bool send(payload&& message);
    bool queue(payload&& message);
    /// Queues the bytes of all pieces, `size` of them, behind those that are queued, in the same payload if
    /// there is room. Throws std::bad_alloc, and then has queued nothing.
    void gather(std::span<const const_buffer> pieces, std::size_t size);
    void let_go() noexcept;

    void add(outbox_wait& w) noexcept { waiters_.push_back(w); }
    void remove(outbox_wait& w) noexcept { waiters_.remove(w); }
    bool fits(std::size_t size) const noexcept { return bytes_ == 0 || bytes_ + size <= options_.capacity; }
    bool idle() const noexcept { return queue_.empty(); }
    bool waited_for() const noexcept { return !waiters_.empty(); }
    std::error_code failure() const noexcept { return failure_; }
    /// Why nothing can be queued any more; empty if something can.
    std::error_code refusal() const noexcept {
        return failure_ || to().accepts_writes() ? failure_ : to().why_closed();
    }
    transport& transport_of() const noexcept { return to(); }
    void describe_to(std::string& out) const { to().describe(out); }

    std::size_t bytes() const noexcept { return bytes_; }
    std::uint64_t dropped() const noexcept { return dropped_; }

  private:
    ~outbox_state() { to().release(); }

    // Called from the ready queue when the transport has finished a batch.
    void run() noexcept override;
    void writer_free() noexcept override;
    const char* writes_as() const noexcept override { return gathers_ ? "a buffered_writer" : "an outbox"; }
    void settled() noexcept override {}  // stays the stream's writer until the queue is empty
    void cancel() noexcept override {}   // no task waits in it

    // How many batches are written in a row before other tasks on this reactor have their turn.
    static constexpr unsigned most_batches = 16;

    // What small pieces are gathered in.
    static constexpr std::size_t block_size = 4096;

    void append(std::span<const const_buffer> pieces, std::size_t size);
    void start() noexcept;
    void begin_batch() noexcept;
    void end_batch() noexcept;
    void pump(bool has_written) noexcept;
    void fail(std::error_code why) noexcept;
    void admit_waiters() noexcept;

    // What each message needs is together, for of a thousand outboxes little stays in the processor's cache.
    outbox_options options_;
    bool gathers_;          // writing begins when the ready queue gets there, and not at once
    bool writing_ = false;  // is the stream's writer, or waits for its turn
    bool let_go_ = false;
    std::error_code failure_;
    intrusive_list<outbox_wait> waiters_;
    std::size_t batch_ = 0;
    std::size_t bytes_ = 0;
    payload_queue queue_;  // the transport is sending the first batch_ of them
    std::array<const_buffer, 16> pieces_;
    std::uint64_t dropped_ = 0;
};

}  // namespace bight::detail
