// datagram_passing: descriptors that go along with a datagram.
#pragma once

#include "descriptor_control.hpp"

#include "../demux/operation.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/received_datagram.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/net/detail/datagram_socket.hpp>

#include <cstddef>
#include <vector>

namespace bight::detail {

/// The receive of one datagram with what has come along, which is closed if nobody takes it.
class [[nodiscard("co_await it"), gnu::warn_unused]] descriptors_receive final
    : public receive_datagrams_awaiter,
      public awaiter_base<descriptors_receive> {
  public:
    /// At most `most` descriptors go into `to`, which has room for them; before them the system tells
    /// `beside` bytes.
    descriptors_receive(datagram_port* on, mutable_buffer memory, received_descriptors& to, std::size_t most,
                        std::size_t beside) noexcept;
    descriptors_receive(const descriptors_receive&) = delete;
    descriptors_receive& operator=(const descriptors_receive&) = delete;
    ~descriptors_receive();

    received_datagram await_resume();

  private:
    friend awaiter_base<descriptors_receive>;
    bool suspend(promise_base& p) noexcept;

    datagram_slot slot_;
    received_descriptors& to_;
    std::size_t most_;
    descriptor_control control_;
    control_along told_;
};

/// The send of one datagram with descriptors.
class [[nodiscard("co_await it"), gnu::warn_unused]] descriptors_send final
    : public send_datagrams_awaiter,
      public awaiter_base<descriptors_send> {
  public:
    descriptors_send(datagram_port* on, const address* to, const_buffer bytes,
                     const std::vector<int>& descriptors) noexcept;
    descriptors_send(const descriptors_send&) = delete;
    descriptors_send& operator=(const descriptors_send&) = delete;

    void await_resume() const;

  private:
    friend awaiter_base<descriptors_send>;
    bool suspend(promise_base& p) noexcept;

    const address* wanted_;
    const_buffer bytes_;
    const std::vector<int>& descriptors_;
    descriptor_control control_;
    control_along told_;
};

}  // namespace bight::detail
