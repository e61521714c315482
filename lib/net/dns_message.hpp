// DNS messages: queries, and what answers say.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/io/address.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

enum class dns_type : std::uint16_t { a = 1, ptr = 12, aaaa = 28 };

/// The code of an answer (RFC 1035, 4.1.1), and what else may be wrong with it.
enum class dns_outcome : std::uint8_t {
    found,
    no_name,
    no_data,
    server_failure,
    refused,
    other_failure,
    malformed
};

struct dns_answer {
    dns_outcome outcome = dns_outcome::malformed;
    std::vector<address> addresses;  ///< of a, aaaa
    std::string name;                ///< of ptr
    duration ttl{};                  ///< of a, aaaa: the least on the way from the name to them
    /// Of both families: see resolved_host.
    address::family_type missing = address::family_type::none;
};

/// The longest message that a query over UDP without EDNS has for an answer (RFC 1035, 2.3.4).
inline constexpr std::size_t longest_dns_datagram = 512;
/// The longest that is asked for with EDNS (RFC 6891): what passes everywhere in one piece, with IPv6, too.
inline constexpr std::size_t longest_edns_datagram = 1232;

/// Throws std::system_error (errc::unavailable) where bight was built without c-ares.
void need_dns_messages();
/// A query for `name`, with recursion, and with EDNS or without. Throws std::system_error (EINVAL) for what
/// is no name of DNS.
std::string make_dns_query(const std::string& name, dns_type type, std::uint16_t id, bool edns);
/// What an answer to a query of this type says; without a question it never says that a name is not there.
/// Whatever a peer has sent may be given. Throws std::bad_alloc.
dns_answer read_dns_answer(std::string_view message, dns_type type, const address& reversed);

/// Whether a message is an answer to this query: by its id, its kind, and its question (RFC 5452, 9.1), which
/// servers that refuse or fail may leave out.
bool is_dns_answer(std::string_view message, std::string_view query) noexcept;
/// Whether an answer was cut off, and has to be asked for over TCP.
bool is_cut_off(std::string_view answer) noexcept;
bool has_no_question(std::string_view answer) noexcept;
/// The code of an answer, with the bits that EDNS adds (RFC 6891, 6.1.3).
unsigned dns_code_of(std::string_view answer) noexcept;
/// Whether an answer has what a server that knows EDNS says of itself.
bool has_edns(std::string_view answer) noexcept;
/// Whether its server may know nothing of EDNS, or not this version: it understands the query wrongly, or not
/// at all (RFC 6891, 7).
bool refuses_edns(std::string_view answer) noexcept;
void mark_cut_off(std::string& answer) noexcept;

/// The name under which the name of an address is: "1.2.0.192.in-addr.arpa".
std::string reverse_dns_name(const address& of);

}  // namespace detail
}  // namespace bight
