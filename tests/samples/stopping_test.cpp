// How signals end a sample server.
#include "chat.hpp"

#include <bight/net/options.hpp>

#include <algorithm>
#include <string>

using namespace test;

TEST_CASE("SIGTERM: the clients see the end of the stream, and the exit status is 143") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client alice = join(chat, "alice");
    client nameless = chat.connect();
    REQUIRE(nameless.read(question.size()) == question);
    const auto start = steady::now();
    chat.process().signal(SIGTERM);
    REQUIRE(chat.stops_listening());
    CHECK(alice.read_to_end().empty());
    CHECK(alice.error() == 0);
    CHECK(nameless.read_to_end().empty());
    CHECK(nameless.error() == 0);
    CHECK(chat.process().wait() == exit_state{143, 0});
    // Clients that stay are given the time to leave.
    CHECK(steady::now() - start >= bight::serve_options{}.drain);
    // The two, and one of those that ask whether it still listens, if it came through.
    const std::string said = chat.process().errors();
    CHECK_THAT(said, Catch::Matchers::StartsWith("bight: draining ") &&
                         Catch::Contains(" connections of the server at ") &&
                         Catch::Contains("the drain is over: ") && Catch::Contains(" are cut off"));
    CHECK(std::count(said.begin(), said.end(), '\n') == 2);
}

TEST_CASE("SIGTERM: while the server drains, its clients are still served") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client alice = join(chat, "alice");
    client bob = join(chat, "bob");
    chat.process().signal(SIGTERM);
    REQUIRE(chat.stops_listening());
    CHECK(hears(bob, alice, "alice", "goodbye"));
    // When the last has left, nothing is waited for.
    alice.close();
    bob.close();
    CHECK(chat.process().wait() == exit_state{143, 0});
}

TEST_CASE("a second SIGTERM ends the draining") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client alice = join(chat, "alice");
    const auto start = steady::now();
    chat.process().signal(SIGTERM);
    REQUIRE(chat.stops_listening());
    chat.process().signal(SIGTERM);
    CHECK(alice.read_to_end().empty());
    CHECK(alice.error() == 0);
    CHECK(chat.process().wait() == exit_state{143, 0});
    CHECK(steady::now() - start < bight::serve_options{}.drain);
}

TEST_CASE("SIGINT is answered as SIGTERM is, with status 130") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server echo("echo", kind);
    client peer = echo.connect();
    REQUIRE(peer.send("x"));
    REQUIRE(peer.read(1) == "x");
    peer.close();
    echo.process().signal(SIGINT);
    CHECK(echo.process().wait() == exit_state{130, 0});
}
