#include "resolve.hpp"

#include "../demux/network_platform.hpp"

#include <bight/thread/offload.hpp>

#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

class gai_category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
};

std::vector<address> ask(const std::string& host, std::uint16_t port, bool only_ipv6) {
    addrinfo hints{};
    hints.ai_family = only_ipv6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    // Saves a query for addresses of a family that this machine does not have. Loopback addresses do not
    // count there, so a look-up for IPv6 only could not find a name for ::1.
    if (!only_ipv6) hints.ai_flags |= AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (status == EAI_SYSTEM) throw std::system_error(errno, std::system_category(), "look-up of " + host);
    if (status != 0) throw std::system_error(status, resolver_category(), "look-up of " + host);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(list, &::freeaddrinfo);
    std::vector<address> found;
    for (const addrinfo* at = list; at; at = at->ai_next) {
        found.push_back(address::from_native(at->ai_addr, at->ai_addrlen));
    }
    return found;
}

// A look-up takes as long as its servers do not answer. Look-ups have their own threads, so that they and the
// program's jobs do not wait for each other, and many of them, so that quick look-ups do not wait for hanging
// ones.
thread_pool& look_up_threads() {
    static auto* const the_pool = [] {
        thread_pool_options options;
        options.max_threads = most_look_ups;
        return new thread_pool(options);
    }();
    return *the_pool;
}

}  // namespace

const std::error_category& resolver_category() noexcept {
    static const gai_category the_category;
    return the_category;
}

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
    auto look_up = [host, port, only_ipv6] { return ask(host, port, only_ipv6); };
    offload_options on;
    on.pool = &look_up_threads();
    addresses = co_await offload_abandonable(std::move(look_up), on);
    co_return addresses;
}

}  // namespace bight::detail
