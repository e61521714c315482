// socket_transport::seldom: what few connections need.
#pragma once

#include "descriptor_control.hpp"
#include "passing.hpp"
#include "socket_transport.hpp"

#include <bight/core/detail/frame_pool.hpp>

#include <cstddef>
#include <memory>

namespace bight::detail {

// `on` of each is the transport.

/// The receives of a stream that accepts descriptors.
class socket_transport::receiving_message final : public receive_message_operation {
  public:
    receiving_message(socket_transport& t, std::size_t limit) noexcept : intake(limit) {
        kind = operation_kind::receive_message;
        on = &t;
    }
    descriptor_intake intake;

  private:
    void completed() noexcept override { transport_of(*this).message_received(); }
};

/// The message of one descriptor_write.
class socket_transport::sending_message final : public send_message_operation {
  public:
    explicit sending_message(socket_transport& t) noexcept {
        kind = operation_kind::send_message;
        on = &t;
    }
    descriptor_control descriptors;

  private:
    void completed() noexcept override { transport_of(*this).message_sent(); }
};

struct socket_transport::seldom : public pooled {
    explicit seldom(socket_transport& t) noexcept : watch(t) {}

    watching watch;
    std::unique_ptr<receiving_message> receiving;  ///< once descriptors are accepted
    std::unique_ptr<sending_message> sending;      ///< while one is underway
};

}  // namespace bight::detail
