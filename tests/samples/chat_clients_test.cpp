// The chat sample and the clients that people have: telnet and nc.
#include "chat.hpp"

#include <string>

using namespace test;

namespace {

// The second signal ends the draining.
void end_at_once(server& chat) {
    chat.process().signal(SIGTERM);
    REQUIRE(chat.stops_listening());
    chat.process().signal(SIGTERM);
}

}  // namespace

TEST_CASE("chat: two people with telnet") {
    if (!is_installed("telnet")) skip("there is no telnet");
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client carol = join(chat, "carol");

    // Telnet shows "\r\n" as a new line.
    const std::string preamble =
        "Trying 127.0.0.1...\nConnected to 127.0.0.1.\nEscape character is '^]'.\nWhat's your name?\n";
    const std::vector<std::string> command{"telnet", "127.0.0.1", std::to_string(chat.port())};
    process alice(command);
    REQUIRE(alice.wait_for_output(preamble));
    alice.write("alice\n");
    REQUIRE(alice.wait_for_output("Welcome, alice!\n"));
    process bob(command);
    REQUIRE(bob.wait_for_output(preamble));
    bob.write("alice\n");
    REQUIRE(bob.wait_for_output("Name taken, please choose another.\n"));
    bob.write("bob\n");
    REQUIRE(bob.wait_for_output("Welcome, bob!\n"));
    alice.write("hello\n");
    REQUIRE(bob.wait_for_output("<alice> hello\n"));
    bob.write("hi\n");
    REQUIRE(alice.wait_for_output("<bob> hi\n"));
    CHECK(carol.read_line() == "<alice> hello\r\n");
    CHECK(carol.read_line() == "<bob> hi\r\n");

    // The server ends the connections; telnet says so and ends.
    end_at_once(chat);
    REQUIRE(alice.wait());
    REQUIRE(bob.wait());
    CHECK(alice.output() == preamble + "Welcome, alice!\n<bob> hi\n");
    CHECK(bob.output() == preamble + "Name taken, please choose another.\nWelcome, bob!\n<alice> hello\n");
    CHECK(alice.errors() == "Connection closed by foreign host.\n");
}

TEST_CASE("chat: two people with nc") {
    if (!is_installed("nc")) skip("there is no nc");
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client carol = join(chat, "carol");
    const std::vector<std::string> command{"nc", "-C", "127.0.0.1", std::to_string(chat.port())};
    process alice(command);
    alice.write("alice\n");
    REQUIRE(alice.wait_for_output(welcome("alice")));
    process bob(command);
    bob.write("alice\n");
    REQUIRE(bob.wait_for_output(taken));
    bob.write("bob\n");
    REQUIRE(bob.wait_for_output(welcome("bob")));
    alice.write("hello\n");
    REQUIRE(bob.wait_for_output("<alice> hello\r\n"));
    bob.write("hi\n");
    REQUIRE(alice.wait_for_output("<bob> hi\r\n"));

    end_at_once(chat);
    REQUIRE(chat.process().wait() == exit_state{143, 0});
    // nc goes on until its own input has ended too.
    alice.end_input();
    bob.end_input();
    REQUIRE(alice.wait());
    REQUIRE(bob.wait());
    CHECK(alice.output() == question + welcome("alice") + "<bob> hi\r\n");
    CHECK(bob.output() == question + taken + welcome("bob") + "<alice> hello\r\n");
}
