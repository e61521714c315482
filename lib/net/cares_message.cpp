// DNS messages by c-ares, which makes and reads them; the sockets are bight's.
#define CARES_NO_DEPRECATED  // the calls of 1.18, which later versions have beside others
#include "dns_message.hpp"

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>

#include <ares.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>

namespace bight::detail {

namespace {

// That a peer can have kept for one name: more than fit into an answer over UDP, and few to be tried.
constexpr int most_addresses = 64;

const unsigned char* bytes_of(std::string_view message) noexcept {
    return reinterpret_cast<const unsigned char*>(message.data());
}

dns_outcome code_of(std::string_view message) noexcept {
    switch (dns_code_of(message)) {
        case 0: return dns_outcome::found;
        case 2: return dns_outcome::server_failure;
        case 3: return dns_outcome::no_name;
        case 5: return dns_outcome::refused;
        default: return dns_outcome::other_failure;
    }
}

dns_outcome outcome_of_parsing(int status) {
    if (status == ARES_ENOMEM) throw std::bad_alloc();
    return status == ARES_SUCCESS   ? dns_outcome::found
           : status == ARES_ENODATA ? dns_outcome::no_data
                                    : dns_outcome::malformed;
}

address address_of(const ares_addrttl& record) noexcept {
    sockaddr_in native{};
    native.sin_family = AF_INET;
    std::memcpy(&native.sin_addr, &record.ipaddr, sizeof native.sin_addr);
    return address::from_native(&native, sizeof native);
}
address address_of(const ares_addr6ttl& record) noexcept {
    sockaddr_in6 native{};
    native.sin6_family = AF_INET6;
    std::memcpy(&native.sin6_addr, &record.ip6addr, sizeof native.sin6_addr);
    return address::from_native(&native, sizeof native);
}

template <class Record, class Parse>
void read_addresses(std::string_view message, Parse parse, dns_answer& into) {
    Record records[most_addresses];
    int count = most_addresses;
    const int status = parse(bytes_of(message), static_cast<int>(message.size()), nullptr, records, &count);
    into.outcome = outcome_of_parsing(status);
    if (into.outcome == dns_outcome::found && count == 0) into.outcome = dns_outcome::no_data;
    if (into.outcome != dns_outcome::found) return;
    int ttl = records[0].ttl;
    for (int i = 0; i < count; ++i) {
        into.addresses.push_back(address_of(records[i]));
        ttl = std::min(ttl, records[i].ttl);
    }
    into.ttl = std::chrono::seconds(std::max(ttl, 0));  // the highest bit means zero (RFC 2181, 8)
}

void read_name(std::string_view message, const address& reversed, dns_answer& into) {
    hostent* found = nullptr;
    const bool ipv4 = reversed.family() == address::family_type::ipv4;
    sockaddr_in6 six{};
    sockaddr_in four{};
    const void* at = nullptr;
    if (ipv4) {
        std::memcpy(&four, reversed.native(), sizeof four);
        at = &four.sin_addr;
    } else {
        std::memcpy(&six, reversed.native(), sizeof six);
        at = &six.sin6_addr;
    }
    const int status = ::ares_parse_ptr_reply(bytes_of(message), static_cast<int>(message.size()), at,
                                              ipv4 ? 4 : 16, reversed.native_family(), &found);
    into.outcome = outcome_of_parsing(status);
    const std::unique_ptr<hostent, void (*)(hostent*)> freed(found, &::ares_free_hostent);
    if (into.outcome != dns_outcome::found) return;
    if (found && found->h_name && *found->h_name) {
        into.name = found->h_name;
    } else {
        into.outcome = dns_outcome::no_data;
    }
}

}  // namespace

void need_dns_messages() {}

std::string make_dns_query(const std::string& name, dns_type type, std::uint16_t id, bool edns) {
    constexpr int internet = 1;
    unsigned char* made = nullptr;
    int size = 0;
    const int status = ::ares_create_query(name.c_str(), internet, static_cast<int>(type), id, 1, &made,
                                           &size, edns ? static_cast<int>(longest_edns_datagram) : 0);
    const std::unique_ptr<unsigned char, void (*)(void*)> freed(made, &::ares_free_string);
    if (status == ARES_ENOMEM) throw std::bad_alloc();
    if (status != ARES_SUCCESS) {
        throw std::system_error(
            EINVAL, errno_category(),
            "look-up of " + name + ": it is no name of DNS (" + ::ares_strerror(status) + ")");
    }
    return std::string(reinterpret_cast<const char*>(made), static_cast<std::size_t>(size));
}

dns_answer read_dns_answer(std::string_view message, dns_type type, const address& reversed) {
    dns_answer answer;
    answer.outcome = code_of(message);
    if (answer.outcome == dns_outcome::no_name && has_no_question(message)) {
        answer.outcome = dns_outcome::other_failure;
    }
    if (answer.outcome != dns_outcome::found) return answer;
    switch (type) {
        case dns_type::a: read_addresses<ares_addrttl>(message, &::ares_parse_a_reply, answer); break;
        case dns_type::aaaa: read_addresses<ares_addr6ttl>(message, &::ares_parse_aaaa_reply, answer); break;
        case dns_type::ptr: read_name(message, reversed, answer); break;
    }
    return answer;
}

}  // namespace bight::detail
