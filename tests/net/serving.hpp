// What tests of serve share.
#pragma once

#include "support/connections.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace test {

inline bight::serve_options quick_drain() {
    bight::serve_options options;
    options.drain = std::chrono::milliseconds(10);
    return options;
}

/// Runs `body(endpoint)` beside a server with `protocol`, and cancels the server when it has ended.
template <class Protocol, class Body>
bight::task<> beside_server(const bight::serve_options& options, Protocol protocol, Body body) {
    bight::listener l = bight::listen("tcp:0:interface=127.0.0.1", options.listen);
    const std::string where = endpoint_to(l.local());
    co_await bight::when_any(body(where), bight::serve(std::move(l), options, std::move(protocol)));
}

}  // namespace test
