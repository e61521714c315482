// The greeter sample, which connects to the test.
#include "server.hpp"

#include <chrono>
#include <list>
#include <string>

using namespace test;
using namespace std::chrono_literals;

namespace {

process start_greeter(std::uint16_t port, bight::demultiplexer_kind kind) {
    return process({sample("greeter"), "tcp:127.0.0.1:" + std::to_string(port)}, {use_reactor(kind)});
}

struct greeting {
    explicit greeting(bight::demultiplexer_kind k) : kind(k), greeter(start_greeter(listener.port(), k)) {}
    bight::demultiplexer_kind kind;
    plain_listener listener;
    steady::time_point start = steady::now();  // before the greeter is there, so before its own start
    process greeter;
};

}  // namespace

TEST_CASE("greeter: a message at once, one not before a second, and the end not before two") {
    std::list<greeting> all;  // side by side, because each takes two seconds
    for (const auto kind : demultiplexers()) all.emplace_back(kind);
    std::list<client> peers;
    for (greeting& g : all) {
        CAPTURE(g.kind);
        client& peer = peers.emplace_back(accept_from(g.listener));
        CHECK(peer.read(14) == "MESSAGE Hello\n");
    }
    auto peer = peers.begin();
    for (greeting& g : all) {
        CAPTURE(g.kind);
        CHECK(peer->read(33) == "MESSAGE This is sent in a second\n");
        CHECK(steady::now() - g.start >= 1s);
        ++peer;
    }
    peer = peers.begin();
    for (greeting& g : all) {
        CAPTURE(g.kind);
        CHECK(peer->read_to_end().empty());
        CHECK(peer->error() == 0);
        CHECK(steady::now() - g.start >= 2s);
        CHECK(g.greeter.wait() == exit_state{0, 0});
        CHECK(g.greeter.output() == "Started to connect.\nConnected.\n");
        ++peer;
    }
}

TEST_CASE("greeter: the hello does not wait for what comes later") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    greeting g(kind);
    client peer = accept_from(g.listener);
    CHECK(peer.read(14) == "MESSAGE Hello\n");
    // Nothing has been written yet but the hello: it is alone.
    char more = 0;
    CHECK(::recv(peer.native_handle(), &more, 1, MSG_DONTWAIT) == -1);
    peer.reset();
    // What it writes afterwards fails, or is not noticed; it ends either way, and is not killed by SIGPIPE.
    const auto end = g.greeter.wait();
    REQUIRE(end);
    CHECK(end->signal == 0);
}

TEST_CASE("greeter: a refused connection is reported with its reason, and the exit status is 1") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const std::uint16_t port = free_port();
    process greeter = start_greeter(port, kind);
    CHECK(greeter.wait() == exit_state{1, 0});
    CHECK(greeter.output() == "Started to connect.\n");
    CHECK_THAT(greeter.errors(),
               Catch::Contains("127.0.0.1:" + std::to_string(port)) && Catch::Contains("Connection refused"));
}
