#include <bight/net/datagram_socket.hpp>

#include "connect_race.hpp"
#include "datagram_port.hpp"
#include "inherited_descriptor.hpp"
#include "new_socket.hpp"
#include "option_values.hpp"
#include "resolve.hpp"

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/timeout.hpp>
#include <bight/net/resolver.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight {

namespace {

using detail::connect_attempt;
using detail::datagram_port;
using detail::new_socket;
using detail::socket_calls;
using detail::socket_file;
using detail::socket_type;

// For the look-up of a name.
constexpr std::chrono::seconds default_patience{30};

[[noreturn]] void refuse_endpoint(const endpoint& where, const char* what) {
    const std::string why = where.is_adopted()
                                ? ": an open socket is adopted by bind, whether or not it has a peer"
                                : ": it is for streams (for datagrams: udp:port, udp:host:port, unix:path)";
    throw std::system_error(errc::bad_endpoint, std::string("cannot ") + what + where.to_string() + why);
}

bool is_unix(const endpoint& where) noexcept { return where.kind == endpoint::kind_type::unix_domain; }

// Those that datagrams have.
void set_datagram_options(socket_calls& calls, detail::native_handle fd, const socket_options& options,
                          const std::string& whose) {
    if (options.no_delay || options.keep_alive || options.keep_alive_idle || options.keep_alive_interval ||
        options.keep_alive_count || options.user_timeout || options.reset_on_close) {
        throw std::system_error(EOPNOTSUPP, detail::errno_category(),
                                "set options of connections of " + whose + ", which is for datagrams");
    }
    detail::set_options(calls, fd, options, whose);
}

datagram_port& make_port(new_socket& s, bool has_peer, const datagram_options& options, socket_file file) {
    const bool reads_control =
        detail::sockets_here().family(s.get()) == AF_UNIX
            ? options.tell_sender
            : options.tell_arrival || options.tell_traffic_class || options.coalesce_received;
    return datagram_port::make(*reactor::current(), s.release(), has_peer, reads_control, std::move(file));
}

// Before the bind. What is to be told of UDP's datagrams, and cannot be asked for, is not told.
void set_kind_options(socket_calls& calls, const new_socket& s, const datagram_options& options,
                      const std::string& name) {
    using option = socket_calls::option;
    if (calls.family(s.get()) == AF_UNIX) {
        const int error = options.tell_sender ? calls.set(s.get(), option::tell_sender, true) : 0;
        if (error >= 0) return;
        throw std::system_error(detail::system_error_code(-error),
                                "cannot be told the senders of datagrams at " + name);
    }
    if (options.tell_arrival) (void)calls.set(s.get(), option::tell_arrival, true);
    if (options.tell_traffic_class) (void)calls.set(s.get(), option::tell_traffic_class, true);
    if (options.coalesce_received) (void)calls.set(s.get(), option::coalesce_received, true);
    if (options.broadcast) s.set(option::broadcast);
    if (options.share_address) s.set(option::share_address);
}

// Of a duplicate of the descriptor. On failure the descriptor is unchanged.
datagram_port& adopt(const endpoint& where, const datagram_options& options) {
    socket_calls& calls = detail::sockets_here();
    const std::string name = where.to_string();
    const int fd = detail::adopted_descriptor(where);
    const auto refuse = [&](int error, const char* why) {
        throw std::system_error(detail::system_error_code(error), "cannot use " + name + why);
    };
    const int datagrams = calls.has_datagrams(fd);
    if (datagrams < 0) refuse(-datagrams, "");
    if (!datagrams) refuse(EPROTOTYPE, ": it is a socket of streams or packets, and not of datagrams");
    const int copy = calls.duplicate(fd);
    if (copy < 0) refuse(-copy, "");
    new_socket s(calls, copy, name);
    set_datagram_options(calls, s.get(), detail::merged(where.options, options.socket), name);
    set_kind_options(calls, s, options, name);
    return make_port(s, static_cast<bool>(calls.peer(copy)), options, {});
}

// A plan of a connect that concerns one address.
struct peer_setup {
    const endpoint& where;
    const datagram_options& options;
    std::string name;
    address from;
};

// Null when it cannot be connected, with the reason in `a`.
datagram_port* connect_to_peer(connect_attempt& a, const peer_setup& with) {
    a.begun = true;
    socket_calls& calls = detail::sockets_here();
    new_socket s(calls, a.to.native_family(), socket_type::datagram, with.name);
    set_datagram_options(calls, s.get(), detail::merged(with.where.options, with.options.socket), with.name);
    set_kind_options(calls, s, with.options, with.name);
    socket_file file;
    if (with.from.family() == address::family_type::unix_domain) {
        file = s.bind_path(with.from, -1, [] {});
    } else if (with.from) {
        const int bound = calls.bind(s.get(), with.from);
        if (bound < 0) {
            a.error = -bound;
            return nullptr;
        }
    }
    if (const int error = calls.connect_datagrams(s.get(), a.to); error < 0) {
        if (file) calls.remove(file);
        a.error = -error;
        return nullptr;
    }
    return &make_port(s, true, with.options, std::move(file));
}

address local_for(const endpoint& where, const datagram_options& options, const address& to) {
    if (is_unix(where)) return options.local;
    if (!where.interface.empty()) return address::from_ip(where.interface, where.local_port);
    if (options.local)
        return where.local_port == 0 ? options.local
                                     : address::from_ip(options.local.host(), where.local_port);
    if (where.local_port == 0) return {};
    return address::from_ip(to.family() == address::family_type::ipv6 ? "::" : "0.0.0.0", where.local_port);
}

// Of this family; none: of those that the endpoint allows.
task<resolved_host> addresses_of_peer(const endpoint& where, resolver* by, address::family_type family,
                                      duration limit) {
    if (is_unix(where)) {
        resolved_host one;
        one.addresses.push_back(address::from_path(where.path));
        co_return one;
    }
    std::string host = where.host;
    if (host.empty()) host = "localhost";
    if (where.only_ipv6()) family = address::family_type::ipv6;
    std::optional<resolved_host> found;
    try {
        found = co_await try_with_timeout(detail::resolve(std::move(host), where.port, family, by), limit);
    } catch (const std::system_error& e) {
        detail::throw_for("cannot connect to " + where.to_string(), e);
    }
    if (!found) {
        throw std::system_error(errc::timed_out, "cannot connect to " + where.to_string() +
                                                     " (the look-up of its name has not ended)");
    }
    co_return std::move(*found);
}

// The port of the first address that can be connected to, or null. Each that is tried is noted.
datagram_port* connect_to_first(const std::vector<address>& found, const endpoint& where,
                                const datagram_options& options, detail::connect_attempts& attempts) {
    for (const address& to : found) {
        const peer_setup setup{where, options, where.to_string(), local_for(where, options, to)};
        if (setup.from && setup.from.family() != to.family()) continue;
        attempts.push_back({to});
        if (datagram_port* const made = connect_to_peer(attempts.back(), setup)) return made;
    }
    return nullptr;
}

}  // namespace

datagram_socket::datagram_socket(detail::datagram_port& p) noexcept : port_(&p) { p.retain(); }

datagram_socket datagram_socket::bind(const endpoint& where, const datagram_options& options) {
    if (!reactor::current()) {
        throw std::logic_error(
            "bight::datagram_socket::bind is called within a task (no reactor runs on this thread)");
    }
    if (where.is_adopted()) return datagram_socket(adopt(where, options));
    if (!is_unix(where) && !where.is_udp()) refuse_endpoint(where, "receive datagrams at ");
    const std::string name = where.to_string();
    if (options.local) {
        throw std::system_error(EINVAL, detail::errno_category(),
                                "bind to " + name + ": datagram_options::local is for connect");
    }
    socket_calls& calls = detail::sockets_here();
    const address to =
        is_unix(where) ? address::from_path(where.path) : detail::address_to_bind(where, "bind to");
    new_socket s(calls, to.native_family(), socket_type::datagram, name);
    set_datagram_options(calls, s.get(), detail::merged(where.options, options.socket), name);
    set_kind_options(calls, s, options, name);
    socket_file file;
    if (is_unix(where)) {
        file = s.bind_path(to, where.mode, [] {});
    } else {
        if (where.reuse_port) s.set(socket_calls::option::reuse_port);
        if (to.family() == address::family_type::ipv6)
            s.set(socket_calls::option::only_ipv6, !where.dual_stack);
        s.bind(to);
    }
    return datagram_socket(make_port(s, false, options, std::move(file)));
}

datagram_socket datagram_socket::bind(std::string_view where, const datagram_options& options) {
    return bind(endpoint::parse(where), options);
}

task<datagram_socket> datagram_socket::connect(endpoint where, datagram_options options) {
    if (!is_unix(where) && !where.is_udp()) refuse_endpoint(where, "send datagrams to ");
    if (where.is_udp() && where.port == 0) {
        throw std::system_error(EINVAL, detail::errno_category(),
                                "cannot connect to " + where.to_string() + ": port 0 is nobody's");
    }
    const duration limit = where.timeout >= duration::zero() ? where.timeout : default_patience;
    const time_point begin = reactor::current()->now();
    resolved_host found =
        co_await addresses_of_peer(where, options.resolver, address::family_type::none, limit);
    detail::connect_attempts attempts;
    datagram_port* made = connect_to_first(found.addresses, where, options, attempts);
    if (!made && found.missing != address::family_type::none) {
        const duration left =
            std::max<duration>(limit - (reactor::current()->now() - begin), duration::zero());
        auto late = co_await as_result(addresses_of_peer(where, options.resolver, found.missing, left));
        if (late) made = connect_to_first(late->addresses, where, options, attempts);
    }
    if (made) {
        datagram_socket connected(*made);
        co_return connected;
    }
    if (attempts.empty()) {
        throw std::system_error(EAFNOSUPPORT, detail::errno_category(),
                                "cannot connect to " + where.to_string() +
                                    ": no address that it has is of the family of its local one");
    }
    throw std::system_error(
        detail::system_error_code(detail::best_error(attempts)),
        "cannot connect to " + where.to_string() + " (" + detail::in_words(attempts) + ")");
}

task<datagram_socket> datagram_socket::connect(std::string where, datagram_options options) {
    endpoint parsed = endpoint::parse(where);
    co_return co_await connect(std::move(parsed), options);
}

address datagram_socket::local() const { return port_ ? port_->local() : address(); }
address datagram_socket::peer() const { return port_ ? port_->peer() : address(); }
int datagram_socket::native_handle() const noexcept { return port_ ? static_cast<int>(port_->handle()) : -1; }

bool datagram_socket::can_segment() const noexcept { return port_ && port_->can_segment(); }

namespace {

// Throws when there is no socket any more.
void need_socket(const datagram_port* port, const char* to_do) {
    if (!port || port->handle() == detail::invalid_handle) {
        throw std::system_error(port ? make_error_code(errc::closed) : detail::no_connection(),
                                std::string(to_do) + " a datagram_socket");
    }
}

void check(int result, const datagram_port& port, std::string what) {
    if (result >= 0) return;
    port.describe(what);
    throw std::system_error(detail::system_error_code(-result), what);
}

bool is_group(const address& a) noexcept {
    if (a.native_family() == AF_INET) {
        sockaddr_in native{};
        std::memcpy(&native, a.native(), sizeof native);
        return IN_MULTICAST(ntohl(native.sin_addr.s_addr));
    }
    if (a.native_family() != AF_INET6) return false;
    sockaddr_in6 native{};
    std::memcpy(&native, a.native(), sizeof native);
    return IN6_IS_ADDR_MULTICAST(&native.sin6_addr) != 0;
}

void set_membership(const datagram_port* port, const multicast_group& of, bool joins) {
    need_socket(port, joins ? "join a group by" : "leave a group by");
    std::string what = (joins ? "join " : "leave ") + of.group.host() + " by ";
    const int result = port->calls().set_membership(port->handle(), of, joins);
    if (result < 0 && !is_group(of.group)) {
        port->describe(what);
        throw std::system_error(detail::system_error_code(-result), what + ": it is no address of a group");
    }
    check(result, *port, std::move(what));
}

}  // namespace

void datagram_socket::join(const multicast_group& group) { set_membership(port_, group, true); }
void datagram_socket::leave(const multicast_group& group) { set_membership(port_, group, false); }

void datagram_socket::set_multicast(const multicast_options& options) {
    need_socket(port_, "set multicast options of");
    const bool in_range = options.hops.value_or(0) >= 0 && options.hops.value_or(0) <= 255;
    check(in_range ? port_->calls().set_multicast(port_->handle(), options) : -EINVAL, *port_,
          "set multicast options of ");
}

void datagram_socket::set_options(const socket_options& wanted) {
    need_socket(port_, "set options of");
    std::string whose;
    port_->describe(whose);
    set_datagram_options(port_->calls(), port_->handle(), wanted, whose);
}

socket_options datagram_socket::options() const {
    if (!port_ || port_->handle() == detail::invalid_handle) return {};
    socket_options all = detail::options_of(port_->calls(), port_->handle());
    socket_options some;
    some.send_buffer = all.send_buffer;
    some.receive_buffer = all.receive_buffer;
    some.dscp = all.dscp;
    some.device = all.device;
    return some;
}

void datagram_socket::close() noexcept {
    if (auto* const p = std::exchange(port_, nullptr)) {
        p->close();
        p->release();
    }
}

}  // namespace bight
