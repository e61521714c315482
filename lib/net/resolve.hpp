// resolve: asynchronous name resolution.
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

/// How many look-ups run at once; further ones wait for a thread.
inline constexpr unsigned most_look_ups = 64;

/// Looks up all addresses of `host`, in the order in which they are to be tried (RFC 6724), with
/// getaddrinfo(3) on a thread reserved for look-ups. Throws std::system_error. Cancelling ends the wait; the
/// look-up itself goes on to its end.
task<std::vector<address>> resolve(std::string host, std::uint16_t port, bool only_ipv6);

}  // namespace detail
}  // namespace bight
