// memory_transport, memory_pipe: the implementation of memory streams.
#pragma once

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/io/address.hpp>
#include <bight/io/transport.hpp>
#include <bight/sim/memory_stream.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <system_error>
#include <utility>

namespace bight::sim::detail {

class memory_transport;

/// One direction: the bytes that were written and not yet read, and the ending after them. Nothing happens
/// here by itself: data with latency is stored with its time of arrival, and a waiting request looks again at
/// that time.
class memory_pipe {
  public:
    enum class ending : std::uint8_t { none, end, reset };

    memory_pipe(memory_direction options, duration back) : options_(std::move(options)), back_(back) {
        if (options_.capacity == 0) options_.capacity = 1;
    }

    // For the end that writes.

    void begin_write() noexcept { new_part_ = true; }
    /// How many bytes it takes now: 0 when there is no room.
    std::size_t room(std::size_t wanted) const noexcept;
    /// Takes `size` bytes, no more than there is room for. Throws std::bad_alloc, having taken none.
    void add(const char* data, std::size_t size, time_point now);
    /// Whether the bytes taken last are the last before the connection breaks.
    bool breaks_here() const noexcept { return taken_ == options_.reset_at && !broken_; }
    /// Whether data that is written now never arrives.
    bool silent() const noexcept { return taken_ >= options_.silent_from; }
    void put_end(time_point now) noexcept;
    bool ended() const noexcept { return ending_ == ending::end; }
    /// Puts a reset, and returns the time of its arrival.
    time_point put_reset(std::error_code error, time_point now) noexcept;
    /// From `t` on, writes fail with `error`, unless they do so earlier.
    void fail_writes(std::error_code error, time_point t) noexcept;
    time_point writes_fail_from() const noexcept { return writes_fail_from_; }
    std::error_code writes_fail_with() const noexcept { return writes_fail_with_; }
    std::error_code injected_write_error() noexcept;
    /// Whether the error is temporary (ENOMEM, ENOBUFS), so that a later try may succeed.
    static bool passes(std::error_code e) noexcept;

    // For the end that reads.

    /// How many bytes a read gets now; sets `at` to their place. 0: see next_arrival and arrived_ending.
    std::size_t readable(std::size_t most, time_point now, const char*& at) noexcept;
    void consume(std::size_t size) noexcept;
    /// The ending that has arrived, once all bytes are read.
    ending arrived_ending(time_point now) const noexcept;
    /// The ending that has arrived, although bytes before it may be unread.
    ending ending_by(time_point now) const noexcept {
        return ending_arrives_ <= now ? ending_ : ending::none;
    }
    /// When it arrives; max() when none is on its way.
    time_point ending_arrival() const noexcept {
        return ending_ != ending::none ? ending_arrives_ : time_point::max();
    }
    std::error_code reset_error() const noexcept { return reset_error_; }
    /// When there will be more to read than now; max() when nothing is on its way.
    time_point next_arrival() const noexcept;
    /// The reading end is closed: drops what is there. If it `answers`, it does so with a reset to data that
    /// is on its way or comes later, and to a peer that `waits` to write.
    void stop_reading(bool answers, bool waits, time_point now) noexcept;
    /// The connection broke: what has arrived can be read, then comes `error`.
    void break_off(std::error_code error, time_point now) noexcept;
    std::error_code injected_read_error() noexcept;

    std::error_code break_error() const noexcept { return options_.reset_error; }
    void set_broken() noexcept { broken_ = true; }
    bool has_latency() const noexcept { return options_.latency > duration::zero(); }

  private:
    struct part {
        std::size_t size;
        time_point arrives;
    };
    time_point arrival(time_point now) noexcept;

    memory_direction options_;
    duration back_;      // the latency of the other direction: an answer takes as long
    std::string bytes_;  // from begin_ on, what parts_ counts
    std::size_t begin_ = 0;
    std::deque<part> parts_;    // in the order in which they arrive
    std::size_t lost_ = 0;      // taken, and to be read by nobody
    std::uint64_t taken_ = 0;   // bytes since the beginning
    std::uint64_t read_ = 0;    // the same
    std::uint64_t writes_ = 0;  // operations begun
    std::uint64_t reads_ = 0;
    time_point last_arrival_{};
    ending ending_ = ending::none;
    time_point ending_arrives_{};
    std::error_code reset_error_;
    time_point writes_fail_from_ = time_point::max();
    std::error_code writes_fail_with_;
    std::error_code reads_fail_with_;
    bool new_part_ = true;
    bool unread_for_ever_ = false;  // the end that reads is closed
    bool answers_ = false;
    bool broken_ = false;
};

/// The state shared by both ends.
struct memory_connection {
    memory_connection(const memory_options& options)
        : pipes{memory_pipe(options.first_to_second, options.second_to_first.latency),
                memory_pipe(options.second_to_first, options.first_to_second.latency)},
          names{options.first, options.second},
          takes_time(pipes[0].has_latency() || pipes[1].has_latency()) {}

    std::array<memory_pipe, 2> pipes;  // what each end writes to
    std::array<address, 2> names;
    std::array<memory_transport*, 2> ends{};  // null once it is gone
    bool takes_time;
};

class memory_transport final : public transport, private bight::detail::timer, public bight::detail::pooled {
  public:
    /// `which` is 0 or 1. The end that is destroyed last deletes the connection.
    memory_transport(reactor& home, memory_connection& on, unsigned which) noexcept
        : transport(home), connection_(&on), which_(which) {
        on.ends[which] = this;
    }

    bool read(read_request& request) noexcept override;
    bool write(write_request& request) noexcept override;
    void cancel_read() noexcept override;
    void cancel_write() noexcept override;
    bool watch(watch_request& request) noexcept override;
    void cancel_watch() noexcept override;
    bool shutdown_write(end_request& request) noexcept override;
    bool close(end_request& request) noexcept override;
    void abort(std::error_code reason) noexcept override;
    address peer() const override { return connection_->names[1 - which_]; }
    address local() const override { return connection_->names[which_]; }
    void describe(std::string& out) const override;

    /// Breaks the connection after what this end has written, if it is due.
    void break_if_due() noexcept;
    memory_connection& connection() const noexcept { return *connection_; }

  private:
    ~memory_transport() override = default;
    void unused() noexcept override;
    void expired() noexcept override;

    memory_pipe& out() const noexcept { return connection_->pipes[which_]; }
    memory_pipe& in() const noexcept { return connection_->pipes[1 - which_]; }
    time_point now() const noexcept;
    bool try_read(read_request& request) noexcept;
    bool take(write_request& request) noexcept;
    bool work_off(write_request& request) noexcept;
    void look_again() noexcept;
    void look_for_input() noexcept;
    bool peer_has_gone(peer_ending& how) const noexcept;
    void look_for_end() noexcept;
    void go_on_writing() noexcept;
    void wake_peer() const noexcept;
    void end(std::error_code why) noexcept;
    void set_timer() noexcept;
    void close_now() noexcept;

    memory_connection* connection_;
    unsigned which_;
    read_request* reading_ = nullptr;  // what is pending
    write_request* writing_ = nullptr;
    watch_request* watching_ = nullptr;
    bool working_ = false;  // within work_off
};

}  // namespace bight::sim::detail
