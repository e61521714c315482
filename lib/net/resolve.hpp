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

/// The errors of getaddrinfo(3): EAI_NONAME, …; Windows has the same names for codes of its own.
const std::error_category& resolver_category() noexcept;

/// Numeric addresses and "localhost" (RFC 6761, 6.3), which need no look-up. False for other names.
bool resolve_locally(const std::string& host, std::uint16_t port, bool only_ipv6, address& out);

/// Looks up all addresses of `host`, in the order in which they are to be tried (RFC 6724): with
/// getaddrinfo(3) on a thread reserved for look-ups, of which there are at most 64, so that further ones
/// wait; on Windows with GetAddrInfoExW. Throws std::system_error. Cancelling ends the wait; getaddrinfo(3)
/// itself goes on to its end.
task<std::vector<address>> resolve(std::string host, std::uint16_t port, bool only_ipv6);

}  // namespace detail
}  // namespace bight
