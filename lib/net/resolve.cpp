#include "resolve.hpp"

#include "look_up.hpp"
#include "shared_look_ups.hpp"

#include "../core/system_error.hpp"
#include "../demux/network_platform.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight {

namespace detail {

struct look_ups_under_way {
    shared_look_ups<resolved_host> of_hosts;
    shared_look_ups<std::string> of_addresses;
};

class resolver_access {
  public:
    // What the resolver's own look-ups give, for all that ask for it meanwhile.

    static task<resolved_host> look_up(resolver& by, std::string host, address::family_type family) {
        host = in_lower_case(std::move(host));
        look_up_key key{reactor::current(), host, static_cast<int>(family)};
        auto ask = [&by, host = std::move(host), family] { return checked_look_up(by, host, family); };
        return by.under_way_->of_hosts.get(std::move(key), std::move(ask));
    }
    static task<std::string> look_up_name(resolver& by, const address& of) {
        look_up_key key{reactor::current(), of.host(), static_cast<int>(of.family())};
        auto ask = [&by, of] { return by.look_up_name(of); };
        return by.under_way_->of_addresses.get(std::move(key), std::move(ask));
    }

  private:
    static task<resolved_host> checked_look_up(resolver& by, std::string host, address::family_type family);
};

namespace {

class system_resolver_type final : public resolver {
  protected:
    task<resolved_host> look_up(std::string host, address::family_type family) override {
        resolved_host found;
        if (network_platform* const simulated = network_platform::current()) {
            found = co_await simulated->look_up(std::move(host), family);
        } else {
            found.addresses = co_await detail::look_up(std::move(host), family);
        }
        co_return found;
    }
    task<std::string> look_up_name(address of) override {
        network_platform* const simulated = network_platform::current();
        return simulated ? simulated->look_up_name(of) : detail::look_up_name(of);
    }
};

[[noreturn]] void refuse_family(const std::string& what, address::family_type family) {
    const char* const why = family == address::family_type::ipv4   ? ": it is no address of IPv4"
                            : family == address::family_type::ipv6 ? ": it is no address of IPv6"
                                                                   : ": it is of neither IPv4 nor IPv6";
    throw std::system_error(EAFNOSUPPORT, errno_category(), "look-up of " + what + why);
}

bool is_of(const address& a, address::family_type family) noexcept {
    using enum address::family_type;
    return family == none ? a.family() == ipv4 || a.family() == ipv6 : a.family() == family;
}

}  // namespace

bool found_here(const std::string& host, std::uint16_t port, address::family_type family,
                std::vector<address>& found) {
    address numeric;
    if (address::parse_ip(host, port, numeric)) {
        if (!is_of(numeric, family)) refuse_family(host, family);
        found.push_back(numeric);
        return true;
    }
    check_name(host);
    if (!is_localhost(host)) return false;
    if (family != address::family_type::ipv6) found.push_back(address::from_ip("127.0.0.1", port));
    if (family != address::family_type::ipv4) found.push_back(address::from_ip("::1", port));
    return true;
}

// Whoever implements a resolver may give whatever he likes: what is shared, or kept, is of what was asked
// for.
task<resolved_host> resolver_access::checked_look_up(resolver& by, std::string host,
                                                     address::family_type family) {
    resolved_host found = co_await by.look_up(host, family);
    std::erase_if(found.addresses, [family](const address& a) { return !is_of(a, family); });
    if (found.addresses.empty()) {
        throw std::system_error(EAI_NONAME, resolver_category(), "look-up of " + host);
    }
    co_return found;
}

bool resolve_locally(const std::string& host, std::uint16_t port, bool only_ipv6, address& out) {
    if (address::parse_ip(host, port, out)) return !only_ipv6 || out.family() == address::family_type::ipv6;
    if (!is_localhost(host)) return false;
    out = address::from_ip(only_ipv6 ? "::1" : "127.0.0.1", port);
    return true;
}

void throw_for(const std::string& what, const std::system_error& error) {
    std::string why = error.what();
    const std::string message = ": " + error.code().message();  // which comes again
    if (why.ends_with(message)) why.resize(why.size() - message.size());
    throw std::system_error(error.code(), what + ": " + why);
}

address with_port(const address& at, std::uint16_t port) noexcept {
    if (at.family() == address::family_type::ipv4) {
        sockaddr_in native;
        std::memcpy(&native, at.native(), sizeof native);
        native.sin_port = htons(port);
        return address::from_native(&native, sizeof native);
    }
    if (at.family() != address::family_type::ipv6) return at;
    sockaddr_in6 native;
    std::memcpy(&native, at.native(), sizeof native);
    native.sin6_port = htons(port);
    return address::from_native(&native, sizeof native);
}

address unmapped(const address& at) noexcept {
    if (at.family() != address::family_type::ipv6) return at;
    sockaddr_in6 native;
    std::memcpy(&native, at.native(), sizeof native);
    if (!IN6_IS_ADDR_V4MAPPED(&native.sin6_addr)) return at;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = native.sin6_port;
    std::memcpy(&four.sin_addr, reinterpret_cast<const unsigned char*>(&native.sin6_addr) + 12,
                sizeof four.sin_addr);
    return address::from_native(&four, sizeof four);
}

task<resolved_host> resolve(std::string host, std::uint16_t port, address::family_type family, resolver* by) {
    resolved_host found;
    if (found_here(host, port, family, found.addresses)) co_return found;
    resolver& asked = by ? *by : system_resolver();
    found = co_await resolver_access::look_up(asked, std::move(host), family);
    for (address& a : found.addresses) a = with_port(a, port);
    co_return found;
}

}  // namespace detail

resolver::resolver() : under_way_(std::make_unique<detail::look_ups_under_way>()) {}
resolver::~resolver() = default;

task<resolved_host> resolver::resolve(std::string host, std::string service, resolve_options options) {
    if (options.family == address::family_type::unix_domain) detail::refuse_family(host, options.family);
    resolved_host found;
    const bool is_here = detail::found_here(host, 0, options.family, found.addresses);
    std::uint16_t port = 0;
    if (!detail::is_port(service, port)) {
        port = co_await detail::port_of(std::move(service), options.datagrams);
    }
    if (!is_here) {
        found = co_await detail::resolver_access::look_up(*this, std::move(host), options.family);
    }
    for (address& a : found.addresses) a = detail::with_port(a, port);
    co_return found;
}

task<std::string> resolver::reverse(address of) {
    const bool has_names =
        of.family() == address::family_type::ipv4 || of.family() == address::family_type::ipv6;
    if (!has_names) detail::refuse_family("the name of " + of.to_string(), address::family_type::none);
    co_return co_await detail::resolver_access::look_up_name(*this, detail::unmapped(of));
}

task<std::string> resolver::look_up_name(address of) {
    throw std::system_error(EOPNOTSUPP, detail::errno_category(),
                            "look-up of the name of " + of.host() + ": this resolver finds none");
    co_return std::string();
}

resolver& system_resolver() {
    static auto* const the_resolver = new detail::system_resolver_type;  // look-ups may outlast main
    return *the_resolver;
}

}  // namespace bight
