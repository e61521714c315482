// listening_socket: the acceptor of a single listening socket.
#pragma once

#include "../demux/socket_calls.hpp"
#include "acceptor.hpp"
#include "bound_socket.hpp"

#include "../demux/demultiplexer.hpp"

#include <bight/core/detail/timer.hpp>
#include <bight/io/address.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace bight::detail {

/// Accepts for one awaiter at a time, and keeps a descriptor in reserve for when descriptors run out.
class listening_socket final : public acceptor, private descriptor, private timer {
  public:
    /// Takes over `fd`, a listening socket. Throws std::system_error, and then closes `fd`.
    static listening_socket& make(reactor& home, int fd, exhaustion_policy policy, listener_traces traces);

    bool start(accept_awaiter& waiting) noexcept override;
    void cancel_accept() noexcept override;
    void close() noexcept override;
    int handle() const noexcept override { return static_cast<int>(fd); }
    address local() const override;
    std::error_code release_socket(released_listener& to) override;
    void describe(std::string& out) const override;

  private:
    class accepting final : public operation {
      public:
        explicit accepting(listening_socket& s) noexcept : socket_(s) { kind = operation_kind::accept; }

      private:
        void completed() noexcept override { socket_.completed(); }
        listening_socket& socket_;
    };

    listening_socket(reactor& home, int socket, exhaustion_policy policy, listener_traces traces) noexcept;
    ~listening_socket() override;
    bool calls_remain() const noexcept;
    bool will_end() const noexcept;
    void keep() noexcept override { retain(); }
    void drop() noexcept override { release(); }
    void abandoned() noexcept override;

    bool go_on() noexcept;
    bool settle_result() noexcept;
    void exhausted(int error) noexcept;
    void warn(int error, const char* what_follows) noexcept;
    void pause() noexcept;
    bool shed() noexcept;
    void completed() noexcept;
    void expired() noexcept override;

    accepting accept_;
    accept_awaiter* waiting_ = nullptr;
    socket_calls& calls_;
    listener_traces traces_;
    int reserve_ = -1;
    exhaustion_policy policy_;
    unsigned made_in_;
    bool cancel_asked_ = false;   // the accept in progress will still complete
    bool warned_ = false;         // since the last connection
    std::uint32_t failures_ = 0;  // since the last connection, or the last pause
};

}  // namespace bight::detail
