// on_each_stream, on_each_socket, on_each_real_socket: one body for each kind of connection on each reactor.
#pragma once

#include "catch.hpp"
#include "connections.hpp"
#include "reactors.hpp"

#include <utility>
#include <vector>

namespace test {

/// Each as a run of the test case of its own; the body is given the family.
template <class F>
void on_each_connection_of(const std::vector<reactor_choice>& choices, const std::vector<family>& kinds,
                           F body) {
    const auto kind = GENERATE_COPY(from_range(choices));
    const auto each = GENERATE_COPY(from_range(kinds));
    CAPTURE(kind, each);
    reactor_fixture on(kind);
    on.run([&] { return body(each); });
}

/// Over sockets and in memory.
template <class F>
void on_each_stream(F body) {
    on_each_connection_of(reactors(), stream_families(), std::move(body));
}

/// Over sockets.
template <class F>
void on_each_socket(F body) {
    on_each_connection_of(reactors(), families(), std::move(body));
}

/// For what has sockets that bight does not manage, too: not simulated.
template <class F>
void on_each_real_socket(F body) {
    on_each_connection_of(real_reactors(), families(), std::move(body));
}

}  // namespace test
