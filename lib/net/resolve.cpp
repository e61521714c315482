#include "resolve.hpp"

#include "look_up.hpp"

#include "../demux/network_platform.hpp"

#include <utility>

namespace bight::detail {

bool resolve_locally(const std::string& host, std::uint16_t port, bool only_ipv6, address& out) {
    if (address::parse_ip(host, port, out)) return !only_ipv6 || out.family() == address::family_type::ipv6;
    if (host != "localhost") return false;
    out = address::from_ip(only_ipv6 ? "::1" : "127.0.0.1", port);
    return true;
}

task<std::vector<address>> resolve(std::string host, std::uint16_t port, bool only_ipv6) {
    std::vector<address> addresses(1);
    if (resolve_locally(host, port, only_ipv6, addresses[0])) {
        if (host == "localhost" && !only_ipv6) addresses.push_back(address::from_ip("::1", port));
        co_return addresses;
    }
    if (network_platform* const simulated = network_platform::current()) {
        addresses = co_await simulated->look_up(std::move(host), port, only_ipv6);
        co_return addresses;
    }
    addresses = co_await look_up(std::move(host), port, only_ipv6);
    co_return addresses;
}

}  // namespace bight::detail
