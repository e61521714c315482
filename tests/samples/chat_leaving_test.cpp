// The chat sample: clients that leave, in whatever way, and those that do not read.
#include "chat.hpp"

#include <algorithm>
#include <string>

using namespace test;

namespace {

enum class leaving { in_good_order, by_half_closing, with_a_reset, in_the_middle_of_a_line };

}  // namespace

TEST_CASE("chat: a name is free again after its client closes") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client bob = join(chat, "bob");
    client alice = join(chat, "alice");
    const auto how = GENERATE(leaving::in_good_order, leaving::by_half_closing, leaving::with_a_reset,
                              leaving::in_the_middle_of_a_line);
    CAPTURE(how);
    switch (how) {
        case leaving::in_good_order: alice.close(); break;
        case leaving::by_half_closing: alice.end_writing(); break;
        case leaving::with_a_reset: alice.reset(); break;
        case leaving::in_the_middle_of_a_line: REQUIRE(alice.send("I was about to s")); alice.close();
    }
    client again = join_when_free(chat, "alice");
    CHECK(hears(bob, again, "alice", "it is me"));
    CHECK(hears(again, bob, "bob", "indeed"));
}

TEST_CASE("chat: a name is free again after its client is killed") {
    if (!is_installed("nc")) skip("there is no nc");
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client bob = join(chat, "bob");
    process alice({"nc", "-C", "127.0.0.1", std::to_string(chat.port())});
    alice.write("alice\n");
    REQUIRE(alice.wait_for_output(welcome("alice")));
    alice.signal(SIGKILL);
    REQUIRE(alice.wait() == exit_state{-1, SIGKILL});
    client again = join_when_free(chat, "alice");
    CHECK(hears(bob, again, "alice", "it is me"));
}

TEST_CASE("chat: leaving in the middle of a broadcast harms nobody") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client speaker = join(chat, "alice");
    client one_who_resets = join(chat, "bob");
    client one_who_closes = join(chat, "carol");
    client one_who_stays = join(chat, "dave");

    // In all well below what the chat keeps for a client that does not read.
    std::string said;
    std::string heard;
    for (int i = 0; i < 2000; ++i) {
        const std::string line = "line " + std::to_string(i) + "\r\n";
        said += line;
        heard += "<alice> " + line;
    }
    REQUIRE(speaker.send(std::string_view(said).substr(0, 6000)));
    CHECK(one_who_resets.read(20) == heard.substr(0, 20));
    one_who_resets.reset();
    REQUIRE(speaker.send(std::string_view(said).substr(6000, 6000)));
    CHECK(one_who_closes.read(20) == heard.substr(0, 20));
    one_who_closes.close();
    REQUIRE(speaker.send(std::string_view(said).substr(12000)));
    CHECK(one_who_stays.read(heard.size()) == heard);
    join_when_free(chat, "bob");
    join_when_free(chat, "carol");
    CHECK(hears(speaker, one_who_stays, "dave", "they left"));
}

// What it may cost is documented at bight::outbox: its capacity, 256 KiB. Besides, io_uring's 4 MiB of
// receive buffers (reactor_options::receive_buffers) become resident as they are used for the first time.
TEST_CASE(
    "chat: a client that never reads costs little memory and is disconnected, the others are unharmed") {
    constexpr long bound_in_kib = 8L * 1024;
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server chat("chat", kind);
    client speaker = join(chat, "alice");
    client reader = join(chat, "bob");
    client silent = join(chat, "carol", 4096);

    // 128 KiB a turn: the reader is never so far behind that it is taken for one that does not read.
    std::string said;
    std::string heard;
    for (int i = 0; i < 16; ++i) {
        const std::string line = std::string(8190, static_cast<char>('a' + i)) + "\r\n";
        said += line;
        heard += "<alice> " + line;
    }
    auto turn = [&] { return speaker.send(said) && reader.read(heard.size()) == heard; };
    REQUIRE(turn());
    const long before = resident_memory_of(chat.process().pid());
    REQUIRE(before > 0);
    long most = before;
    int failed = 0;
    constexpr int turns = 512;  // 64 MiB
    for (int i = 0; i < turns && failed == 0; ++i) {
        if (!turn()) ++failed;
        most = std::max(most, resident_memory_of(chat.process().pid()));
    }
    CHECK(failed == 0);
    if (!memory_is_distorted) CHECK(most - before < bound_in_kib);

    // What the kernel had taken for it comes first, then the reset.
    const std::string got = silent.read_to_end();
    CHECK(silent.error() == ECONNRESET);
    CHECK(got.size() < heard.size() * turns);
    client again = join_when_free(chat, "carol");
    CHECK(hears(reader, again, "carol", "I read now"));
}
