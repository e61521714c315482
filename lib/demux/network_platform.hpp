// network_platform: the part of a platform that replaces the machine's network.
#pragma once

#include "socket_calls.hpp"

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/resolved_host.hpp>

#include <string>

namespace BIGHT_EXPORT bight {
namespace detail {

class network_platform {
  public:
    network_platform() noexcept = default;
    network_platform(const network_platform&) = delete;
    network_platform& operator=(const network_platform&) = delete;

    /// Looks up the addresses of `host`, of this family (none: of both). Throws std::system_error. Cancelling
    /// ends the look-up.
    virtual task<resolved_host> look_up(std::string host, address::family_type family) = 0;
    /// The name of an address. Likewise.
    virtual task<std::string> look_up_name(address of) = 0;
    /// The socket calls for a thread where no reactor runs. Valid as long as this object.
    virtual socket_calls& sockets() noexcept = 0;

    /// The platform of this thread; null for the machine, whose own resolver and sockets are used.
    static network_platform* current() noexcept;

  protected:
    ~network_platform() = default;
};

}  // namespace detail
}  // namespace bight
