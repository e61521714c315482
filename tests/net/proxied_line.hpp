// A client and a server, and a proxy between them: for what passes streams on.
#pragma once

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace test {

inline constexpr std::size_t much = 6U << 20;  ///< bytes; more than the buffers between

/// The two connections.
struct line {
    stream_pair front;  // client: the client's end; server: the proxy's
    stream_pair back;   // client: the proxy's end; server: the server's
    bight::stream& client() { return front.client; }
    bight::stream& server() { return back.server; }
    bight::stream& a() { return front.server; }
    bight::stream& b() { return back.client; }
};

inline bight::task<line> connected_line(family f) {
    stream_pair front = co_await connected_pair(f);
    stream_pair back = co_await connected_pair(f);
    co_return line{std::move(front), std::move(back)};
}

/// `body(line)` on each reactor, over each kind of stream.
template <class F>
void on_each_line(F body) {
    const auto kind = GENERATE_COPY(from_range(reactors()));
    const auto family = GENERATE(from_range(stream_families()));
    CAPTURE(kind, family);
    reactor_fixture on(kind);
    on.run([&]() -> bight::task<> {
        line l = co_await connected_line(family);
        co_await body(l);
    });
}

inline bight::task<> send_and_end(bight::stream& to, std::size_t from, std::size_t size) {
    co_await to.write(pattern(from, size));
    co_await to.shutdown_write();
}

inline bight::task<> expect(bight::stream& from, std::size_t at, std::size_t size) {
    const std::string got = co_await read_all(from);
    const bool same = got == pattern(at, size);
    CHECK(same);
}

}  // namespace test
