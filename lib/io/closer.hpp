// What ends a connection, on behalf of whoever waits for that or of nobody any more.
#pragma once

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/transport.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace bight::detail {

/// One for each end that is under way. It waits for the writes that are pending, ends the transport (or its
/// outgoing direction), and frees itself. One that closes both directions is the stream's reader meanwhile,
/// and throws away what comes: a peer that is itself writing would else never come to read what is said to
/// it. The reactor owns it (leftover) and it holds the transport, so nobody else needs to stay: a handle that
/// is dropped leaves its connection to one. When its deadline comes before the transport has said all that it
/// had to say, it aborts the transport.
class closer final : public end_request, private leftover, public pooled {
  public:
    /// Null when memory is out.
    static closer* make(transport& of, bool only_writing) noexcept;

    /// True when it is done already, with `error`; it may be gone then.
    bool begin(duration patience, end_awaiter* waiting, std::error_code& error) noexcept;
    /// The task that waited has been cancelled: the transport is aborted.
    void abandoned() noexcept;
    /// From the transport: nobody writes any more; the stream's own reader, or this one, reads no more.
    void writers_gone() noexcept;
    void reader_gone() noexcept;

    /// Queues `item`, once, when the connection is over. Only while nobody awaits the end: false otherwise,
    /// as the connection is that task's then.
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
    // Reads what nobody wants. In the ready queue it has an answer, or waits for its turn to read.
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
    bool said_ = false;  // all that there was to say: what is left is to linger
    bool timed_out_ = false;
    bool hurried_ = false;
    bool draining_ = false;  // until the peer's end, or an error
    bool starved_ = false;   // there was no memory to read with: it waits before it reads on
    bool over_ = false;      // nothing is left to do, but for the sink to come back
};

}  // namespace bight::detail
