// The sample client of the broadcast server, against the real server.
#include "server.hpp"
#include "welcome.hpp"

#include <chrono>
#include <list>
#include <regex>
#include <string>

using namespace test;
using namespace std::chrono_literals;

namespace {

process start_client(const std::string& name, std::uint16_t port, bight::demultiplexer_kind kind) {
    return process({sample("broadcast_client"), name, "tcp:127.0.0.1:" + std::to_string(port)},
                   {use_reactor(kind)});
}

// Alice, her server, and a listener to her hellos.
struct conversation {
    explicit conversation(bight::demultiplexer_kind k)
        : kind(k),
          hall("broadcast", k),
          listener(hall.connect()),
          start(steady::now()),
          alice(start_client("Alice", hall.port(), k)) {}
    bight::demultiplexer_kind kind;
    server hall;
    client listener;
    steady::time_point start;
    process alice;
    steady::time_point second_message{};
};

const std::regex hello{R"(hello, I'm Alice \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n)"};

}  // namespace

TEST_CASE("broadcast_client says hello five seconds after each message, and its lines come in order") {
    std::list<conversation> all;  // side by side, because each takes five seconds
    for (const auto kind : demultiplexers()) all.emplace_back(kind);
    for (conversation& c : all) {
        CAPTURE(c.kind);
        REQUIRE(c.listener.read_line() == welcome(1));
        REQUIRE(c.alice.wait_for_output("got messages: " + welcome(2) + "\n"));
        c.second_message = steady::now();
        REQUIRE(c.listener.send("good morning"));
        REQUIRE(c.alice.wait_for_output("got messages: good morning\n"));
    }
    for (conversation& c : all) {
        CAPTURE(c.kind);
        CHECK(std::regex_match(c.listener.read_line(), hello));
        CHECK(steady::now() - c.start >= 5s);
        CHECK(std::regex_match(c.listener.read_line(), hello));
        CHECK(steady::now() - c.second_message >= 5s);
    }
    for (conversation& c : all) c.hall.process().signal(SIGTERM);
    for (conversation& c : all) {
        CAPTURE(c.kind);
        CHECK(c.hall.process().wait() == exit_state{143, 0});
        CHECK(c.hall.process().output().find("lost connect: ") != std::string::npos);
        CHECK(c.alice.wait() == exit_state{0, 0});
        CHECK(c.alice.output() ==
              "Started to connect.\nConnected to the server!\ngot messages: " + welcome(2) +
                  "\ngot messages: good morning\nDisconnected from the server!\n"
                  "Lost connection. Reason: Connection was closed cleanly.\n");
        CHECK(c.alice.errors().empty());
        CHECK(c.listener.read_to_end().empty());
        CHECK(c.listener.error() == 0);
    }
}

TEST_CASE("broadcast_client does not wait for its hellos when the server goes") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    plain_listener l;
    process alice = start_client("Alice", l.port(), kind);
    client peer = accept_from(l);
    const auto start = steady::now();
    REQUIRE(peer.send("hello?"));
    REQUIRE(alice.wait_for_output("got messages: hello?\n"));
    SECTION("in good order") {
        peer.close();
        CHECK(alice.wait() == exit_state{0, 0});
        CHECK(alice.output() ==
              "Started to connect.\nConnected to the server!\ngot messages: hello?\n"
              "Disconnected from the server!\nLost connection. Reason: Connection was closed cleanly.\n");
    }
    SECTION("with a reset") {
        peer.reset();
        CHECK(alice.wait() == exit_state{0, 0});
        CHECK(alice.output() ==
              "Started to connect.\nConnected to the server!\ngot messages: hello?\n"
              "Disconnected from the server!\nLost connection. Reason: Connection reset by peer\n");
    }
    CHECK(steady::now() - start < 5s);
}

TEST_CASE("broadcast_client says why it cannot connect, and its exit status is 1") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    process alice = start_client("Alice", free_port(), kind);
    CHECK(alice.wait() == exit_state{1, 0});
    CHECK(alice.output() == "Started to connect.\nConnection failed. Reason: Connection refused\n");
}

TEST_CASE("broadcast_client without a name explains itself") {
    process nameless({sample("broadcast_client")});
    CHECK(nameless.wait() == exit_state{2, 0});
    CHECK(nameless.errors() == "usage: broadcast_client NAME [ENDPOINT]\n");
}
