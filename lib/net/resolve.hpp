// Names to addresses.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The errors of getaddrinfo(3): EAI_NONAME, …
const std::error_category& resolver_category() noexcept;

/// Numeric addresses and "localhost" (RFC 6761, 6.3), which need no look-up. False for other names.
bool resolve_locally(const std::string& host, std::uint16_t port, bool only_ipv6, address& out);

/// How many look-ups there are at once; further ones wait for a thread.
inline constexpr unsigned most_look_ups = 64;

/// All addresses of `host`, in the order in which they are to be tried (RFC 6724, by getaddrinfo(3), on a
/// thread that only look-ups have). Throws std::system_error. Cancelling gives up waiting: the look-up ends
/// in its own time.
task<std::vector<address>> resolve(std::string host, std::uint16_t port, bool only_ipv6);

}  // namespace detail
}  // namespace bight
