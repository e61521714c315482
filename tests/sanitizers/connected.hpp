// connected: two streams of one connection, without a test framework, which tools would have to look through.
#pragma once

#include <bight/bight.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

namespace test {

/// Both ends of a connection, to be made on the reactor that uses them.
struct connected {
    bight::stream client;
    bight::stream server;
};

inline bight::task<connected> connect_over(std::string where) {
    bight::listener waiting = bight::listen(where);
    if (where.starts_with("tcp:")) where = "tcp:127.0.0.1:" + std::to_string(waiting.local().port());
    bight::stream client = co_await bight::connect(where);
    bight::stream server = co_await waiting.accept();
    co_return connected{std::move(client), std::move(server)};
}

/// The status of a program for which something is missing here, as Meson has it.
inline constexpr int skipped = 77;

/// Runs `body` on a reactor of the demultiplexer that BIGHT_REACTOR names; ends the program when there is
/// none.
template <class F>
void on_a_reactor(const bight::reactor_options& options, F body) {
    std::optional<bight::reactor> r;
    try {
        r.emplace(options);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        std::_Exit(skipped);
    }
    r->run(body());
}

}  // namespace test
