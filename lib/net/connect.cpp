#include <bight/net/connect.hpp>

#include "../core/system_error.hpp"
#include "../demux/socket_calls.hpp"
#include "connect_race.hpp"
#include "inherited_descriptor.hpp"
#include "option_values.hpp"
#include "resolve.hpp"
#include "socket_transport.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>
#include <bight/net/resolver.hpp>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace {

using detail::socket_transport;

// The progress of a connect, for the message of its error.
struct progress {
    bool found = false;        // the look-up has succeeded
    bool awaits_more = false;  // another one, of what was late, is under way
    detail::connect_attempts attempts;

    std::string in_words() const {
        if (!found) return " (the look-up of its name has not ended)";
        std::string text = detail::in_words(attempts);
        if (awaits_more) {
            text += text.empty() ? "" : ", ";
            text += "the look-up of its other addresses has not ended";
        }
        return text.empty() ? "" : " (" + text + ")";
    }
};

// Of this family; none: of those that the endpoint allows.
task<resolved_host> addresses_of(const endpoint& where, resolver* by, address::family_type family) {
    if (where.kind == endpoint::kind_type::unix_domain) {
        resolved_host one;
        one.addresses.push_back(address::from_path(where.path));
        co_return one;
    }
    // A named variable: g++ 12 wrongly frees the temporary of a ?: in an awaiting expression (GCC PR 99576).
    std::string host = where.host;
    if (host.empty()) host = "localhost";
    if (where.kind == endpoint::kind_type::tcp6) family = address::family_type::ipv6;
    try {
        co_return co_await detail::resolve(std::move(host), where.port, family, by);
    } catch (const std::system_error& e) {
        detail::throw_for("cannot connect to " + where.to_string(), e);
    }
}

// Those of a family whose answer was late. Without any, what the others have met is the error.
task<detail::connect_attempts> late_attempts(const endpoint& where, const connect_options& options,
                                             address::family_type family, const address& from,
                                             progress& so_far) {
    resolved_host found;
    so_far.awaits_more = true;
    try {
        found = co_await addresses_of(where, options.resolver, family);
    } catch (const std::system_error&) {
    }
    so_far.awaits_more = false;
    co_return detail::in_order(found.addresses, from);
}

// Gives an empty stream when no address has answered.
task<stream> connect_any(const endpoint& where, const connect_options& options, progress& so_far) {
    const resolved_host found = co_await addresses_of(where, options.resolver, address::family_type::none);
    detail::connect_setup setup;
    setup.from =
        where.interface.empty() ? options.local : address::from_ip(where.interface, where.local_port);
    if (where.interface.empty() && where.local_port != 0) {
        setup.local_port = where.local_port;
        if (setup.from) setup.from = address::from_ip(setup.from.host(), where.local_port);
    }
    setup.options = detail::merged(where.options, options.socket);
    so_far.attempts = detail::in_order(found.addresses, setup.from);
    so_far.found = true;
    detail::further_attempts further;
    const bool more_may_serve = !setup.from || setup.from.family() == found.missing;
    if (found.missing != address::family_type::none && more_may_serve) {
        further = [&] { return late_attempts(where, options, found.missing, setup.from, so_far); };
    }
    stream connected = co_await detail::connect_first(so_far.attempts, setup, further);
    if (so_far.attempts.empty()) {
        throw std::system_error(EAFNOSUPPORT, detail::errno_category(),
                                "cannot connect to " + where.to_string() +
                                    ": no address that it has is of the family of its interface");
    }
    co_return connected;
}

[[noreturn]] void refuse_socket(int error, const endpoint& where, const char* why) {
    throw std::system_error(detail::system_error_code(error), "cannot use " + where.to_string() + why);
}

// Throws when `fd` is no connection.
void must_be_connected(detail::socket_calls& calls, int fd, const endpoint& where) {
    const auto refuse = [&](int error, const char* why) { refuse_socket(error, where, why); };
    const int streams = calls.is_stream(fd);
    if (streams < 0) refuse(-streams, "");
    if (!streams) refuse(EPROTOTYPE, ": it is a socket of datagrams or packets, and no stream");
    const int listening = calls.listens(fd);
    if (listening < 0) refuse(-listening, "");
    if (listening) refuse(EINVAL, ": it listens, and is no connection");
}

// Makes a stream of a duplicate of the descriptor. On failure the descriptor is unchanged.
stream adopt(const endpoint& where) {
    detail::socket_calls& calls = detail::sockets_here();
    const int fd = detail::adopted_descriptor(where);
    must_be_connected(calls, fd, where);
    const int copy = calls.duplicate(fd);
    if (copy < 0) refuse_socket(-copy, where, "");
    return stream(socket_transport::make(*reactor::current(), copy));
}

}  // namespace

task<stream> connect(endpoint where, connect_options options) {
    if (where.is_udp()) {
        throw std::system_error(errc::bad_endpoint,
                                "cannot connect a stream to " + where.to_string() +
                                    ": it is for datagrams; see datagram_socket::connect");
    }
    if (where.is_adopted()) co_return adopt(where);
    const duration limit = where.timeout >= duration::zero() ? where.timeout : options.timeout;
    progress so_far;
    auto connected = co_await try_with_timeout(connect_any(where, options, so_far), limit);
    if (connected && *connected) co_return std::move(*connected);
    const std::error_code why = connected ? detail::system_error_code(detail::best_error(so_far.attempts))
                                          : make_error_code(errc::timed_out);
    throw std::system_error(why, "cannot connect to " + where.to_string() + so_far.in_words());
}

task<stream> connect(owned_descriptor socket) {
    must_be_connected(detail::sockets_here(), socket.get(), socket.as_endpoint());
    co_return stream(socket_transport::make(*reactor::current(), socket.release()));
}

task<stream> connect(std::string where, connect_options options) {
    endpoint parsed = endpoint::parse(where);
    co_return co_await connect(std::move(parsed), options);
}

}  // namespace bight
