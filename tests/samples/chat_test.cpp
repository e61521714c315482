// The chat sample: what each client gets, byte for byte.
#include "chat.hpp"

#include <string>

using namespace test;

TEST_CASE("chat: two clients, the whole conversation") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client alice = chat.connect();
    CHECK(alice.read(question.size()) == question);
    REQUIRE(alice.send("alice\r\n"));
    CHECK(alice.read(16) == "Welcome, alice!\r");
    CHECK(alice.read(1) == "\n");

    client bob = chat.connect();
    CHECK(bob.read(question.size()) == "What's your name?\r\n");
    REQUIRE(bob.send("alice\r\n"));
    CHECK(bob.read(taken.size()) == "Name taken, please choose another.\r\n");
    REQUIRE(bob.send("bob\r\n"));
    CHECK(bob.read(15) == "Welcome, bob!\r\n");

    REQUIRE(alice.send("hello\r\n"));
    CHECK(bob.read(15) == "<alice> hello\r\n");
    REQUIRE(bob.send("hi\r\n\r\n"));
    CHECK(alice.read(18) == "<bob> hi\r\n<bob> \r\n");

    alice.end_writing();
    CHECK(alice.read_to_end().empty());
    CHECK(alice.error() == 0);
    bob.end_writing();
    CHECK(bob.read_to_end().empty());  // not what it said itself
    CHECK(bob.error() == 0);
}

TEST_CASE("chat: of three clients, the two others hear what one says") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client alice = join(chat, "alice");
    client bob = join(chat, "bob");
    client carol = join(chat, "carol");
    CHECK(hears(bob, alice, "alice", "one"));
    CHECK(carol.read(13) == "<alice> one\r\n");
    CHECK(hears(alice, bob, "bob", "two"));
    CHECK(carol.read(11) == "<bob> two\r\n");
    CHECK(hears(alice, carol, "carol", "three"));
    CHECK(bob.read(15) == "<carol> three\r\n");
    for (client* c : {&alice, &bob, &carol}) {
        c->end_writing();
        CHECK(c->read_to_end().empty());
    }
}

TEST_CASE("chat: who has not given a name hears nothing") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client stranger = chat.connect();
    CHECK(stranger.read(question.size()) == question);
    client alice = join(chat, "alice");
    client bob = join(chat, "bob");
    CHECK(hears(bob, alice, "alice", "secret"));
    stranger.end_writing();
    CHECK(stranger.read_to_end().empty());
}

TEST_CASE("chat: lines split over packets, and several in one") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client bob = join(chat, "bob");
    client alice = chat.connect();
    CHECK(alice.read(question.size()) == question);
    // Bob's round trip through the server comes between two packets, so that they are not read as one.
    client echo_of_bob = join(chat, "mirror");
    for (const char* part : {"al", "ice", "\r"}) {
        REQUIRE(alice.send(part));
        REQUIRE(hears(echo_of_bob, bob, "bob", part == std::string("\r") ? "delimiter" : part));
    }
    REQUIRE(alice.send("\nfirst\r\nsecond\r\nthi"));
    CHECK(alice.read(17) == "Welcome, alice!\r\n");
    CHECK(bob.read(31) == "<alice> first\r\n<alice> second\r\n");
    REQUIRE(alice.send("rd\r\n"));
    CHECK(bob.read(15) == "<alice> third\r\n");
}

TEST_CASE("chat: the longest line is passed on, a longer one ends its client alone") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client alice = join(chat, "alice");
    client bob = join(chat, "bob");
    client carol = join(chat, "carol");

    const std::string longest(16384, 'x');
    CHECK(hears(bob, alice, "alice", longest));
    CHECK(carol.read(longest.size() + 10) == "<alice> " + longest + "\r\n");

    alice.send(longest + "x\r\n");
    CHECK(alice.read_to_end().empty());
    CHECK(alice.error() == ECONNRESET);
    CHECK(hears(carol, bob, "bob", "still here"));
    client again = join_when_free(chat, "alice");
    CHECK(hears(again, carol, "carol", "welcome back"));
    CHECK(bob.read(22) == "<carol> welcome back\r\n");
}

TEST_CASE("chat: a line without an end that is too long ends its client") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client bob = join(chat, "bob");
    client carol = join(chat, "carol");
    client nameless = chat.connect();
    CHECK(nameless.read(question.size()) == question);
    nameless.send(std::string(100000, 'n'));
    CHECK(nameless.read_to_end().empty());
    CHECK(nameless.error() == ECONNRESET);
    CHECK(hears(carol, bob, "bob", "unharmed"));
}
