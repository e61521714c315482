// closer: ends a connection gracefully, also after its handle has gone.
#pragma once

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/transport.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace bight::detail {

/// One for each close or shutdown in progress. It waits for the pending writes, ends the transport (or its
/// outgoing direction), and frees itself. When it closes both directions it is the stream's reader meanwhile,
/// and discards the input: otherwise a peer that is busy writing might never read. The reactor owns the
/// closer (as a leftover), and the closer holds the transport, so the stream handle need not exist any more.
/// If the deadline comes before the transport has sent everything, the closer aborts it.
class closer final : public end_request, private leftover, public pooled {
  public:
    /// Null when memory is exhausted.
    static closer* make(transport& of, bool only_writing) noexcept;

    /// True when it is done already, with the outcome in `error`; then it may be gone.
    bool begin(duration patience, end_awaiter* waiting, std::error_code& error) noexcept;
    /// The waiting task has been cancelled: aborts the transport.
    void abandoned() noexcept;
    /// Called by the transport: no writes are pending any more; no read is pending any more.
    void writers_gone() noexcept;
    void reader_gone() noexcept;

    /// Has `item` queued once, when the connection is over. False when a task awaits the end: then the
    /// connection belongs to that task.
    bool tell(work_item& item) noexcept {
        if (waiting_) return false;
        told_ = &item;
        return true;
    }
    void hurry() noexcept override;
    void limit(time_point latest) noexcept override;

    void cancel() noexcept override {}  // no task waits in it
    void describe(std::string& out) const override;

  private:
    // Reads and discards input. When it is in the ready queue it has an answer, or waits for its turn to
    // read.
    class sink final : public read_request {
      public:
        explicit sink(closer& c) noexcept;
        enum class state : std::uint8_t { idle, queued, reading };
        state now = state::idle;

      private:
        void run() noexcept override { closer_.go_on_reading(); }
        closer& closer_;
    };

    closer(transport& of, bool only_writing) noexcept;
    ~closer() = default;
    void run() noexcept override;
    void settled() noexcept override {}
    void expired() noexcept override;
    bool say_end() noexcept;
    void said(std::error_code error) noexcept;
    void drain() noexcept;
    void queue_sink() noexcept;
    void go_on_reading() noexcept;
    void take_input() noexcept;
    void let_go() noexcept;
    void look_again() noexcept;
    void look_later() noexcept;
    void look_in(duration pause) noexcept;
    void read_on() noexcept;
    void report_loss() const noexcept;
    void finish() noexcept;

    sink sink_;
    time_point deadline_ = time_point::max();
    duration pause_;
    end_awaiter* waiting_ = nullptr;
    work_item* told_ = nullptr;
    bool only_writing_;
    bool said_ = false;  // everything was sent: it only lingers
    bool timed_out_ = false;
    bool hurried_ = false;
    bool draining_ = false;  // until the peer's end, or an error
    bool starved_ = false;   // there was no memory to read with: it waits before it reads on
    bool over_ = false;      // nothing is left to do, except that the sink must come back
};

}  // namespace bight::detail
