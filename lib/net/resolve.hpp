// resolve: the addresses that an endpoint's host has.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/net/resolver.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Numeric addresses and names of this machine (is_localhost), which need no look-up. False for other names.
bool resolve_locally(const std::string& host, std::uint16_t port, bool only_ipv6, address& out);

/// Adds to `found` what a numeric address, or a name of this machine, has of the family; false for a name
/// that has to be looked up. Throws std::system_error for what can be no name (check_name), and for a numeric
/// address of another family (EAFNOSUPPORT).
bool found_here(const std::string& host, std::uint16_t port, address::family_type family,
                std::vector<address>& found);

/// What `by` finds of `host`; null: the system's resolver. Throws std::system_error. Cancelling ends the
/// wait.
task<resolved_host> resolve(std::string host, std::uint16_t port, address::family_type family, resolver* by);

/// Throws the error of a look-up, with what it was for: "cannot connect to tcp:example.org:80".
[[noreturn]] void throw_for(const std::string& what, const std::system_error& error);

/// `at` with this port.
address with_port(const address& at, std::uint16_t port) noexcept;

/// The IPv4 address that an address of IPv6 stands for (::ffff:192.0.2.1, as sockets of both families have
/// it), or `at` itself.
address unmapped(const address& at) noexcept;

/// Of a name, as text, without a final dot (RFC 1035, 2.3.4).
inline constexpr std::size_t longest_host_name = 253;

/// By which names are compared: upper and lower case of ASCII are the same (RFC 4343).
std::string in_lower_case(std::string host);

/// "localhost" and what ends in ".localhost", with a final dot or without, in upper or lower case (RFC 6761,
/// 6.3).
bool is_localhost(std::string_view host) noexcept;

/// Throws std::system_error (EINVAL, EILSEQ) for what no resolver can find, which would be asked for, or cut
/// off at a zero byte. See resolver::resolve.
void check_name(const std::string& host);

/// False for what is no port number; the port of an empty text is 0.
bool is_port(const std::string& text, std::uint16_t& port) noexcept;
/// The port of a service, by its name. Throws std::system_error (EAI_SERVICE). Cancelling ends the wait.
task<std::uint16_t> port_of(std::string service, bool datagrams);

}  // namespace detail
}  // namespace bight
