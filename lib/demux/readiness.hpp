// What the demultiplexers that wait for readiness share.
#pragma once

#include "demultiplexer.hpp"

#include <cstddef>

namespace bight::detail {

/// With more descriptors than this, those that look at each of them in every wait say so.
inline constexpr std::size_t slow_above = 1000;

/// Turns readiness into completion: tries the call, and waits only when it would block. When the descriptor
/// becomes ready, the operation is queued, and the call is made as it leaves the queue (settle): data is
/// received just before the task that wants it runs, into a buffer that is warm, and a cancel in between
/// loses nothing.
class readiness : public demultiplexer {
  public:
    void attach(descriptor& d) final;
    void detach(descriptor& d, bool close_it) noexcept final;
    bool start(operation& op) noexcept final;
    bool cancel(operation& op) noexcept final;
    bool settle(operation& op) noexcept final;
    void wake() noexcept override;

  protected:
    readiness(reactor& home, bool tracks_interest);
    ~readiness() override;

    /// d.fd is to be watched from now on (its interest is empty), or no longer. `watch` throws
    /// std::system_error.
    virtual void watch(descriptor& d) = 0;
    virtual void unwatch(descriptor& d) noexcept = 0;
    /// What the kernel said of a descriptor.
    void became_ready(descriptor& d, bool read, bool write, bool drain) noexcept {
        if (drain) [[unlikely]]
            d.drain = true;
        if (read) {
            d.may_read = true;
            if (operation* op = d.reading) unpark(*op, d.reading);
        }
        if (write) {
            d.may_write = true;
            if (operation* op = d.writing) unpark(*op, d.writing);
        }
    }

    /// Readable after wake().
    int wake_descriptor() const noexcept { return wake_fd_; }
    void drain_wakes() noexcept;

    reactor& home() const noexcept { return home_; }

  private:
    bool try_now(operation& op) noexcept;
    bool try_receive(receive_operation& op) noexcept;
    bool try_send(send_operation& op) noexcept;
    bool try_accept(operation& op) noexcept;
    bool try_connect(connect_operation& op) noexcept;
    void wait_again(operation& op) noexcept;
    void unpark(operation& op, operation*& place) noexcept {
        place = nullptr;
        if (tracks_interest()) interest_changed(*op.on);
        home_.schedule(op);
    }

    reactor& home_;
    int wake_fd_ = -1;
};

}  // namespace bight::detail
