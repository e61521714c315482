// Names of hosts, where they do not come from the machine's resolver.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

class name_service {
  public:
    name_service() noexcept = default;
    name_service(const name_service&) = delete;
    name_service& operator=(const name_service&) = delete;

    /// All addresses of `host`. Throws std::system_error. Cancelling ends the look-up.
    virtual task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6) = 0;

  protected:
    ~name_service() = default;
};

}  // namespace detail
}  // namespace bight
