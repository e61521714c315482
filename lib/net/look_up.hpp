// look_up: asks the system's resolver.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace bight::detail {

/// All addresses of a name that has to be looked up (see resolve). Throws std::system_error. Cancelling ends
/// it.
task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6);

}  // namespace bight::detail
