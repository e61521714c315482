// What a platform has in place of the machine's network.
#pragma once

#include "socket_calls.hpp"

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

class network_platform {
  public:
    network_platform() noexcept = default;
    network_platform(const network_platform&) = delete;
    network_platform& operator=(const network_platform&) = delete;

    /// All addresses of `host`. Throws std::system_error. Cancelling ends the look-up.
    virtual task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6) = 0;
    /// The calls on sockets that end at once, for a thread where no reactor runs. They last as long as this.
    virtual socket_calls& sockets() noexcept = 0;

    /// That of the platform here; null for the machine, whose resolver and sockets are asked.
    static network_platform* current() noexcept;

  protected:
    ~network_platform() = default;
};

}  // namespace detail
}  // namespace bight
