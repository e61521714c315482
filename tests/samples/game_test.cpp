// The game sample, as a process.
#include "server.hpp"

#include "support/skip.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

using namespace test;

namespace {

// What a line says of one player; number 0 when it is no such line.
struct seen_in_game {
    unsigned long long number = 0;
    int x = 0, y = 0;
};

seen_in_game look_for(const std::string& name, const std::string& line) {
    seen_in_game seen;
    const auto at = line.find("; " + name + " ");
    if (!line.starts_with("tick ") || !line.ends_with("\n") || at == line.npos) return {};
    const bool read = std::sscanf(line.c_str(), "tick %llu: ", &seen.number) == 1 &&
                      std::sscanf(line.c_str() + at + name.size() + 3, "%d,%d has ", &seen.x, &seen.y) == 2;
    return read ? seen : seen_in_game{};
}

int times_it_says(std::string_view text, const std::string& said) {
    int times = 0;
    for (std::size_t at = said.find(text); at != said.npos; at = said.find(text, at + 1)) ++times;
    return times;
}

client sit_down(server& game, const std::string& name) {
    client c = game.connect();
    REQUIRE(c.read_line() == "Your name?\n");
    REQUIRE(c.send(name + "\n"));
    return c;
}

}  // namespace

TEST_CASE("game: names are asked for until they fit, and are free again when their players have gone") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server game("game", kind);
    client ann = sit_down(game, "ann");
    REQUIRE(game.process().wait_for_output("ann has come\n"));
    const std::string refusal = "Letters and digits, at most 16, that nobody else has: your name?\n";
    client bob = sit_down(game, "ann");
    CHECK(bob.read_line() == refusal);
    for (const std::string& no_name :
         {std::string(""), std::string("a b"), std::string("\x1b[2J"), std::string(17, 'x')}) {
        REQUIRE(bob.send(no_name + "\n"));
        CHECK(bob.read_line() == refusal);
    }
    REQUIRE(bob.send("Bob7\r\n"));
    const seen_in_game first = look_for("Bob7", bob.read_line());
    CHECK(first.number > 0);
    REQUIRE(ann.send("quit\n"));
    CHECK(game.process().wait_for_output("ann has gone: coins "));
    ann = sit_down(game, "ann");
    CHECK(look_for("ann", ann.read_line()).number > first.number);
    ann.reset();
    REQUIRE(
        game.process().wait_for([&] { return times_it_says("ann has gone", game.process().output()) == 2; }));
    // A line without an end is not collected.
    client endless = sit_down(game, std::string(1000, 'x'));
    CHECK(endless.read(1).empty());
    CHECK(endless.error() == ECONNRESET);
    CHECK(look_for("Bob7", bob.read_line()).number > first.number);
}

TEST_CASE("game: one step a tick, however many are sent at once, and none out of the field") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server game("game", kind);
    client ann = sit_down(game, "ann");
    seen_in_game last = look_for("ann", ann.read_line());
    REQUIRE(last.number > 0);
    std::string steps;
    for (int i = 0; i < 19; ++i) steps += i < 9 ? "n\nw\n" : "w\n";
    REQUIRE(ann.send(steps + "up\n"));
    for (;;) {
        const std::string line = ann.read_line();
        if (line == "n, e, s or w; or quit\n") break;
        const seen_in_game now = look_for("ann", line);
        REQUIRE(now.number > last.number);
        REQUIRE(now.x <= last.x);
        REQUIRE(now.y <= last.y);
        REQUIRE(last.x - now.x + last.y - now.y <= static_cast<int>(now.number - last.number));
        last = now;
    }
    CHECK(last.x == 0);
    CHECK(last.y == 0);
    REQUIRE(ann.send("w\nn\ne\n"));
    seen_in_game now = last;
    while (now.x == 0) now = look_for("ann", ann.read_line());
    CHECK(now.number >= last.number + 3);
    CHECK(now.x == 1);
    CHECK(now.y == 0);
}

TEST_CASE("game: a server that was stopped goes on with the tick that is due, and tells what it has missed") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server game("game", kind);
    client ann = sit_down(game, "ann");
    const seen_in_game before = look_for("ann", ann.read_line());
    const auto since = steady::now();
    game.process().signal(SIGSTOP);
    while (steady::now() < since + std::chrono::milliseconds(600)) ::usleep(10'000);
    const auto stopped =
        static_cast<unsigned long long>((steady::now() - since) / std::chrono::milliseconds(50));
    game.process().signal(SIGCONT);
    seen_in_game last = before;
    unsigned long long gap = 0;
    while (last.number < before.number + stopped) {
        const seen_in_game now = look_for("ann", ann.read_line());
        REQUIRE(now.number > last.number);
        gap = std::max(gap, now.number - last.number);
        last = now;
    }
    CHECK(gap >= 9);
    CHECK(game.process().wait_for_output("ticks missed: "));
    CHECK(game.process().wait_for_output(", of them left out: "));
}

TEST_CASE("game: is played with nc, and ends with its server") {
    if (!is_installed("nc")) skip("there is no nc");
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    server game("game", kind);
    (void)game.connect();  // it listens
    process ann({"nc", "127.0.0.1", std::to_string(game.port())});
    REQUIRE(ann.wait_for_output("Your name?\n"));
    ann.write("ann\ne\n");
    REQUIRE(ann.wait_for_output("; ann "));
    ann.write("jump\n");
    CHECK(ann.wait_for_output("\nn, e, s or w; or quit\n"));
    game.process().signal(SIGTERM);
    CHECK(game.process().wait_for_output("ann has gone: coins "));
    ann.end_input();
    CHECK(ann.wait() == exit_state{0, 0});
    CHECK(ann.output().ends_with("\n"));
    CHECK(game.process().wait() == exit_state{128 + SIGTERM, 0});
}
