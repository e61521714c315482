// port_of: which port a service has.
#include "look_up.hpp"
#include "resolve.hpp"

#include "../demux/network_platform.hpp"
#include "../io/socket_headers.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// Those that programs ask for, as IANA has them: they need neither a file nor a thread, and a simulated host,
// which reads no file of the machine, has no others.
struct known_service {
    std::string_view name;
    std::uint16_t port;
};
constexpr known_service known_services[] = {
    {"echo", 7},    {"discard", 9}, {"daytime", 13}, {"ftp", 21},          {"ssh", 22},
    {"telnet", 23}, {"smtp", 25},   {"time", 37},    {"domain", 53},       {"http", 80},
    {"pop3", 110},  {"ntp", 123},   {"imap", 143},   {"imap2", 143},       {"snmp", 161},
    {"irc", 194},   {"ldap", 389},  {"https", 443},  {"submissions", 465}, {"submission", 587},
    {"ldaps", 636}, {"imaps", 993}, {"pop3s", 995},
};

// Of numbers that are no ports ("65536", "-1") some C libraries make one.
bool may_be_service(const std::string& text) noexcept {
    const auto letter_or_digit = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    return letter_or_digit(text[0]) && text.find('\0') == std::string::npos &&
           text.find_first_not_of("0123456789") != std::string::npos;
}

}  // namespace

bool is_port(const std::string& text, std::uint16_t& port) noexcept {
    if (text.empty()) return true;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, port);
    return error == std::errc() && stop == end;
}

task<std::uint16_t> port_of(std::string service, bool datagrams) {
    for (const known_service& known : known_services) {
        if (known.name == service) co_return known.port;
    }
    if (may_be_service(service) && !network_platform::current()) {
        co_return co_await look_up_service(std::move(service), datagrams);
    }
    throw std::system_error(EAI_SERVICE, resolver_category(), "look-up of the service " + service);
}

}  // namespace bight::detail
