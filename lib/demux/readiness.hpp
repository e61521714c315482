// readiness: the common base of the epoll, kqueue, poll and select demultiplexers.
#pragma once

#include "blocking_calls.hpp"
#include "demultiplexer.hpp"
#include "tried_calls.hpp"

#include <cstddef>
#include <memory>

namespace bight::detail {

/// With more descriptors than this, the demultiplexers that scan all of them in every wait log a warning.
inline constexpr std::size_t slow_above = 1000;

/// Turns readiness into completion: tries the call, and waits only when it would block. When the descriptor
/// becomes ready, the operation is queued, and the call is made when it leaves the queue (settle). So data is
/// received just before the task runs, into a buffer that is still in the cache, and a cancellation in
/// between loses nothing.
class readiness : public demultiplexer {
  public:
    void attach(descriptor& d) final;
    void detach(descriptor& d, bool close_it) noexcept final;
    bool start(operation& op) noexcept final;
    bool cancel(operation& op) noexcept final;
    bool settle(operation& op) noexcept final;
    bool idle() const noexcept override { return without_descriptor() == 0; }
    void hand_on(demultiplexer& heir) noexcept override;

  protected:
    readiness(reactor& home, bool tracks_interest);
    ~readiness() override;

    /// Begin and end watching d.fd, without interest in any event at first. `watch` throws std::system_error.
    virtual void watch(descriptor& d) = 0;
    virtual void unwatch(descriptor& d) noexcept = 0;
    /// The kernel has reported these events of a descriptor.
    void became_ready(descriptor& d, bool read, bool write, bool drain) noexcept {
        if (drain) [[unlikely]] {
            d.drain = true;
            peer_ended(d);
        }
        if (read && !d.may_read) {
            d.may_read = true;
            if (operation* op = d.reading) unpark(*op);
        }
        if (write && !d.may_write) {
            d.may_write = true;
            if (operation* op = d.writing) unpark(*op);
        }
    }

    /// The kernel has reported an end or an error.
    void peer_ended(descriptor& d) noexcept {
        operation* const op = take_ending(d, 0);
        if (!op) return;
        if (tracks_interest()) interest_changed(d);
        detail::reactor_access::schedule(home_, *op);
    }
    bool ending_changed(descriptor& d) noexcept override {
        if (tracks_interest()) interest_changed(d);
        return true;
    }

    /// Whether an operation waits for the descriptor to become ready. The first in its line waits while a
    /// call would block, and is in the ready queue otherwise.
    static bool waits_to_read(const descriptor& d) noexcept { return d.reading && !d.may_read; }
    static bool waits_to_write(const descriptor& d) noexcept { return d.writing && !d.may_write; }

    /// An accept on this descriptor has given a connection, or an error.
    virtual void accept_ended(descriptor&) noexcept {}

    /// Makes the call of a read or a write. Where that takes the memory with it until it has ended (wfmo), it
    /// is `underway`, and would block.
    virtual attempt transfer(operation& op) noexcept { return try_call(op); }
    /// Whether `op`, which is underway, is such a transfer: it has been asked to end, and completes by
    /// itself.
    virtual bool stop_transfer(operation& op) noexcept {
        (void)op;
        return false;
    }
    /// The first operation has ended: queues the next one, unless a call would block.
    void make_way(operation& op) noexcept;

    /// To be called after a wake: an operation may have been done on a worker thread.
    void woken() noexcept;

    reactor& home() const noexcept { return home_; }

  private:
    bool start_call(file_operation& op) noexcept;
    attempt try_now(operation& op) noexcept;
    attempt try_receive(receive_operation& op) noexcept;
    attempt try_accept(operation& op) noexcept;
    attempt try_connect(connect_operation& op) noexcept;
    attempt try_poll(operation& op) noexcept;
    static bool is_queued(operation& op) noexcept;
    void end_line(operation*& first, bool queued) noexcept;
    void wait_again(operation& op) noexcept;
    void go_on_later(operation& op) noexcept;
    void unpark(operation& op) noexcept {
        if (tracks_interest()) interest_changed(*op.on);
        detail::reactor_access::schedule(home_, op);
    }

    reactor& home_;
    std::unique_ptr<blocking_calls> calls_;  // made when first needed
};

}  // namespace bight::detail
