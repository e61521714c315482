// resolve: the addresses that an endpoint's host has.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/net/resolver.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Numeric addresses and "localhost" (RFC 6761, 6.3), which need no look-up. False for other names.
bool resolve_locally(const std::string& host, std::uint16_t port, bool only_ipv6, address& out);

/// The addresses of `host`, in the order in which they are to be tried, as `by` gives them; null: the
/// system's resolver. Throws std::system_error. Cancelling ends the wait.
task<std::vector<address>> resolve(std::string host, std::uint16_t port, bool only_ipv6, resolver* by);

/// `at` with this port.
address with_port(const address& at, std::uint16_t port) noexcept;

/// Of a name, as text, without a final dot (RFC 1035, 2.3.4).
inline constexpr std::size_t longest_host_name = 253;

/// By which names are compared: upper and lower case of ASCII are the same (RFC 4343).
std::string in_lower_case(std::string host);

/// Throws std::system_error (EINVAL, EILSEQ) for what no resolver can find, which would be asked for, or cut
/// off at a zero byte. See resolver::resolve.
void check_name(const std::string& host);

}  // namespace detail
}  // namespace bight
