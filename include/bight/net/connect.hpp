// connect: opens a client connection.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/options.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <string>

namespace BIGHT_EXPORT bight {

/// Connects to `where` and gives the stream. Names are looked up by connect_options::resolver, or by the
/// system's (system_resolver); "localhost" and numeric addresses need no look-up. The addresses are tried
/// according to RFC 8305 (Happy Eyeballs): the address families take turns, the next attempt begins when one
/// has failed or has not answered for 250 ms, the first that succeeds wins, and the others are closed. With
/// `interface=`, only addresses of its family are tried. A family whose look-up was late
/// (resolved_host::missing) is looked up meanwhile, and waited for before all have failed.
///
/// When the backlog of a Unix socket is full, the attempt is repeated after 1 ms, then at growing intervals
/// of at most 64 ms. A TCP connection to a local port without a listener may connect to itself; that counts
/// as ECONNREFUSED.
///
/// Throws std::system_error with the most informative errno among those of all addresses (an answer such as
/// ECONNREFUSED before no answer, ETIMEDOUT, before a failure of this machine, ENETUNREACH or EADDRNOTAVAIL),
/// with errc::timed_out after the deadline (30 s unless the options or the endpoint set another), with
/// errc::bad_endpoint, or with the error of the name look-up; the message names the endpoint and the outcome
/// for each address. Cancelling closes all sockets opened.
task<stream> connect(endpoint where, connect_options options = {});
task<stream> connect(std::string where, connect_options options = {});
/// Makes a stream of a connected stream socket, such as one that came over a Unix socket, and takes it over:
/// what connect(socket.as_endpoint()) does, without a second descriptor, so also where there is none to be
/// had. Throws std::system_error when it is no connected stream socket, and then closes it. Completes at
/// once.
task<stream> connect(owned_descriptor socket);
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto connect(detail::anything, detail::anything = {}) {
    static_assert(
        fits,
        "connect(where, options) takes an endpoint, or one as a std::string: "
        "connect(\"tcp:localhost:1234\"), or connect(\"tcp:\" + host + \":\" + std::to_string(port)); "
        "a time-out is an option: {.timeout = 5s}, and so is a resolver: options.resolver = &names; an "
        "address is \"tcp:\" + at.to_string(), an open socket is an owned_descriptor, connect(std::move(d)), "
        "or \"fd:3\"");
    return detail::refused_operation();
}

}  // namespace bight
