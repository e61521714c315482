#include <bight/net/dns_resolver.hpp>

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"
#include "destination_order.hpp"
#include "dns_hosts.hpp"
#include "dns_query.hpp"
#include "idna.hpp"
#include "resolve.hpp"

#include <bight/core/error.hpp>
#include <bight/sync/semaphore.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

struct detail::dns_state {
    explicit dns_state(const dns_options& options)
        : places(std::max<std::size_t>(options.most_at_once, 1)), hosts(options.hosts) {}
    semaphore places;
    const dns_hosts hosts;
    std::vector<time_point> without_edns_until;  // see dns_client
};

namespace {

using detail::dns_answer;
using detail::dns_client;
using detail::dns_outcome;
using detail::dns_query;
using detail::dns_type;

constexpr std::uint16_t dns_port = 53;

[[noreturn]] void throw_no_name(const std::string& what, const char* why = "") {
    throw std::system_error(EAI_NONAME, resolver_category(), "look-up of " + what + why);
}

// What a name of DNS cannot be, beyond what no name can be.
void check_dns_name(const std::string& host) {
    const auto cannot_be = [](unsigned char c) { return c >= 0x80 || c == '\\' || c == ' '; };
    if (std::any_of(host.begin(), host.end(), cannot_be)) {
        throw std::system_error(
            EINVAL, detail::errno_category(),
            "look-up of " + host + ": a name of DNS is ASCII without spaces; give its IDNA form (xn--…)");
    }
    const std::string name = host.substr(0, host.find_last_not_of('.') + 1);
    const std::string last = name.substr(name.rfind('.') + 1);
    if (last.find_first_not_of("0123456789") == std::string::npos) {
        throw_no_name(host, ": a name does not end in a number, and it is no address");
    }
}

bool is_dns_name(const std::string& text) {
    try {
        detail::check_name(text);
        check_dns_name(text);
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

// Of one that has none: itself, which is no domain.
std::string idna_form_of_domain(const std::string& domain) {
    try {
        return detail::is_ascii(domain) ? domain : detail::idna_form(domain);
    } catch (const std::system_error&) {
        return domain;
    }
}

// What a name can be completed with: it may end in a number. The C library passes over others, too.
bool is_domain(const std::string& text) { return !text.empty() && is_dns_name(text + ".a"); }

// The names to be looked up in turn (resolv.conf(5), search and ndots).
std::vector<std::string> names_for(const std::string& host, const dns_options& options) {
    std::vector<std::string> names;
    if (host.ends_with('.')) {
        names.push_back(host.substr(0, host.size() - 1));
        return names;
    }
    const auto dots = static_cast<std::size_t>(std::count(host.begin(), host.end(), '.'));
    if (dots >= options.ndots) names.push_back(host);
    for (const std::string& domain : options.search) {
        if (host.size() + 1 + domain.size() <= detail::longest_host_name)
            names.push_back(host + "." + domain);
    }
    if (dots < options.ndots) names.push_back(host);
    return names;
}

}  // namespace

namespace {

void check_options(const dns_options& options) {
    if (options.attempts == 0) {
        throw std::invalid_argument("dns_options::attempts is 0: no server would be asked");
    }
    if (options.timeout <= duration::zero()) {
        throw std::invalid_argument("dns_options::timeout leaves the servers no time");
    }
    const auto is_none = [](const address& a) {
        return a.family() != address::family_type::ipv4 && a.family() != address::family_type::ipv6;
    };
    const auto wrong = std::find_if(options.servers.begin(), options.servers.end(), is_none);
    if (wrong != options.servers.end()) {
        const auto place = wrong - options.servers.begin();
        throw std::invalid_argument("dns_options::servers[" + std::to_string(place) + "] is " +
                                    (*wrong ? wrong->to_string() : "empty") +
                                    ", and no address of IPv4 or IPv6");
    }
}

}  // namespace

dns_resolver::dns_resolver(dns_options options)
    : options_(std::move(options)), state_(std::make_shared<detail::dns_state>(options_)) {
    detail::need_dns_messages();
    check_options(options_);
    if (options_.servers.empty()) options_.servers.push_back(address::from_ip("127.0.0.1", dns_port));
    for (address& server : options_.servers) {
        if (server.port() == 0) server = detail::with_port(server, dns_port);
    }
    state_->without_edns_until.assign(options_.servers.size(), time_point::min());
    for (std::string& domain : options_.search) domain = idna_form_of_domain(domain);
    std::erase_if(options_.search, [](const std::string& domain) { return !is_domain(domain); });
}

task<resolved_host> dns_resolver::look_up(std::string host, address::family_type family) {
    resolved_host found;
    home_.check("a dns_resolver");
    found.addresses = state_->hosts.addresses_of(host, family);
    if (found.addresses.empty() && !detail::is_ascii(host)) {
        host = detail::idna_form(host);
        detail::check_name(host);          // what is left out of names may have been all of a label
        if (detail::is_localhost(host)) {  // in wide letters, say: no server is to know of it (RFC 6761)
            resolve_options same;
            same.family = family;
            co_return co_await resolve(host, {}, same);
        }
        found.addresses = state_->hosts.addresses_of(host, family);
    }
    if (!found.addresses.empty()) co_return found;
    check_dns_name(host);
    const std::vector<std::string> names = names_for(host, options_);
    const std::shared_ptr<detail::dns_state> state = state_;
    const dns_client by{options_, state->places, state->without_edns_until};
    std::exception_ptr failure;  // the first one
    for (const std::string& name : names) {
        const std::size_t first = options_.rotate ? turn_++ : 0;
        dns_answer answer;
        try {
            if (family == address::family_type::none) {
                answer = co_await detail::ask_dns_for_both(by, first, host, name);
            } else {
                dns_query query{host, name,
                                family == address::family_type::ipv6 ? dns_type::aaaa : dns_type::a};
                answer = co_await detail::ask_dns_servers(by, first, std::move(query));
            }
        } catch (const std::system_error& e) {
            // The servers of one domain say nothing of the other names; what is wrong here is so for all.
            if (e.code().category() != resolver_category()) throw;
            if (!failure) failure = std::current_exception();
        }
        if (answer.outcome != dns_outcome::found) continue;
        found.addresses = std::move(answer.addresses);
        found.ttl = answer.ttl;
        found.missing = answer.missing;
        detail::put_in_order(found.addresses);
        co_return found;
    }
    if (failure) std::rethrow_exception(failure);
    throw_no_name(host);
}

task<std::string> dns_resolver::look_up_name(address of) {
    home_.check("a dns_resolver");
    if (const std::string* const known = state_->hosts.name_of(of)) co_return *known;
    const std::string asked = "the name of " + of.host();
    dns_query query{asked, detail::reverse_dns_name(of), dns_type::ptr, of};
    const std::size_t first = options_.rotate ? turn_++ : 0;
    const std::shared_ptr<detail::dns_state> state = state_;
    const dns_client by{options_, state->places, state->without_edns_until};
    dns_answer answer = co_await detail::ask_dns_servers(by, first, std::move(query));
    // Who publishes it may call it anything, an address that it has not among them.
    if (answer.outcome != dns_outcome::found || !is_dns_name(answer.name)) throw_no_name(asked);
    co_return std::move(answer.name);
}

}  // namespace bight
