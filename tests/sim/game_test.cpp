// The game sample in virtual time: its ticks to the nanosecond, its state, its players that come and go.
#include "samples.hpp"

#include "support/catch.hpp"

#include <bight/sim/explore.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace {

constexpr bight::duration length_of_a_tick = 50ms;
const std::string help_of_the_game = "n, e, s or w; or quit";

/// What a line of the game says, read as the sample's head describes it.
struct game_line {
    struct seen_player {
        int x = 0, y = 0, coins = 0;
    };
    std::uint64_t number = 0;
    std::map<std::string, seen_player> players;
    bight::duration came{};
};

game_line read_game_line(const std::string& line) {
    game_line told;
    unsigned long long number = 0;
    int x = 0;
    int y = 0;
    int used = 0;
    if (std::sscanf(line.c_str(), "tick %llu: coin %d,%d%n", &number, &x, &y, &used) != 3 || used == 0)
        throw std::runtime_error("no line of the game: " + line);
    told.number = number;
    for (auto at = static_cast<std::size_t>(used); at < line.size();) {
        char name[17];
        game_line::seen_player p;
        used = 0;
        if (std::sscanf(line.c_str() + at, "; %16[a-zA-Z0-9] %d,%d has %d%n", name, &p.x, &p.y, &p.coins,
                        &used) != 4 ||
            used == 0)
            throw std::runtime_error("no line of the game: " + line);
        if (p.x < 0 || p.x > 19 || p.y < 0 || p.y > 9) throw std::runtime_error("outside: " + line);
        told.players[name] = p;
        at += static_cast<std::size_t>(used);
    }
    return told;
}

task<> game_server() { return game_sample::host("tcp:4000"); }

// A connection that has its seat, and has read nothing since.
task<bight::stream> take_a_seat(std::string name) {
    bight::stream s = co_await bight::connect("tcp:server:4000");
    const std::string question = "Your name?\n";
    std::string got;
    while (got.size() < question.size()) {
        const auto some = co_await s.read_some();
        if (!some) throw std::runtime_error("it has ended");
        got += some.view();
    }
    if (got != question) throw std::runtime_error("it says " + got);
    co_await s.write(name, "\n");
    co_return std::move(s);
}

// Notes what is told for so long.
task<> watch_the_game(sim::world& w, bight::stream& from, bight::duration until,
                      std::vector<game_line>& all) {
    bight::line_reader lines(from, "\n");
    for (;;) {
        const bight::duration left = until - w.elapsed();
        const auto line =
            co_await bight::try_with_timeout(lines.next(), std::max<bight::duration>(left, 0ns));
        if (!line || !*line) co_return;
        if (*line == help_of_the_game) continue;
        all.push_back(read_game_line(**line));
        all.back().came = w.elapsed();
    }
}

sim::world_options without_delays() {
    sim::world_options options;
    options.link = {0ns, 0ns, 0ns, 0};
    return options;
}

// The first line whose number is not that of the tick that was the last to be due when it came.
std::optional<std::uint64_t> first_off_schedule(const std::vector<game_line>& all) {
    for (const game_line& l : all) {
        const auto ticks = static_cast<std::uint64_t>((l.came - all.front().came) / length_of_a_tick);
        if (l.number != all.front().number + ticks) return l.number;
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("game: 20 ticks a second, each on time and told, for an hour") {
    sim::world w(1, without_delays());
    w.add("server").on_boot(game_server);
    std::vector<game_line> all;
    w.add("ann").run([&]() -> task<> {
        bight::stream s = co_await take_a_seat("ann");
        co_await watch_the_game(w, s, 1h, all);
    });
    w.run_for(1h + 1s);
    REQUIRE(all.size() > 71'990);
    CHECK(all.back().number - all.front().number + 1 == all.size());
    CHECK(first_off_schedule(all) == std::nullopt);
    CHECK(all.back().came - all.front().came == length_of_a_tick * (all.size() - 1));
}

TEST_CASE("game: ticks that were missed are made up for in one turn, or left out, and the next is on time") {
    sim::world w(1, without_delays());
    sim::host& server = w.add("server");
    server.on_boot(game_server);
    std::vector<game_line> all;
    w.add("ann").run([&]() -> task<> {
        bight::stream s = co_await take_a_seat("ann");
        co_await watch_the_game(w, s, 1min, all);
    });
    for (const bight::duration pause :
         {bight::duration(120ms), bight::duration(330ms), bight::duration(10s)}) {
        CAPTURE(pause.count());
        all.clear();
        w.run_for(1s + 10ms);
        const std::size_t before = all.size();
        server.pause(pause);
        w.run_for(pause);
        CHECK(all.size() <= before + 1);
        w.run_for(1s);
        CHECK(first_off_schedule(all) == std::nullopt);
        // One line for all that were missed.
        const auto ticks = all.back().number - all.front().number + 1;
        const auto without_a_line = static_cast<std::uint64_t>(pause / length_of_a_tick);
        CHECK(ticks - all.size() >= without_a_line - 1);
        CHECK(ticks - all.size() <= without_a_line);
    }
}

TEST_CASE("game: who does not read misses whole lines, and the others none") {
    sim::world w(1, without_delays());
    w.add("server").on_boot(game_server);
    std::vector<game_line> all;
    std::vector<game_line> some;
    w.add("ann").run([&]() -> task<> {
        bight::stream s = co_await take_a_seat("ann");
        co_await watch_the_game(w, s, 5min, all);
    });
    w.add("bob").run([&]() -> task<> {
        bight::stream s = co_await take_a_seat("bob");
        for (int i = 0; i < 20; ++i) {  // it is not dead
            co_await bight::sleep_for(10s);
            co_await s.write("?\n");
        }
        co_await watch_the_game(w, s, 5min, some);
    });
    w.run_for(5min + 1s);
    CHECK(all.back().number - all.front().number + 1 == all.size());
    REQUIRE(some.size() > 100);
    std::uint64_t longest_gap = 0;
    for (std::size_t i = 1; i < some.size(); ++i) {
        REQUIRE(some[i].number > some[i - 1].number);
        longest_gap = std::max(longest_gap, some[i].number - some[i - 1].number);
    }
    CHECK(longest_gap > 1000);
    // From when it reads on it is told of each tick.
    CHECK(some.back().number - some[some.size() - 1000].number == 999);
    CHECK(some.back().number >= all.back().number);
}

namespace {

// Plays until the connection is lost; a std::logic_error is about the game.
task<> play_at_random(std::string name) {
    bight::stream s = co_await bight::connect("tcp:server:4000:timeout=3");
    bight::line_reader lines(s, "\n");
    std::optional<game_line> last;
    for (int step = 0;; ++step) {
        const auto line = co_await bight::with_timeout(lines.next(), 5s);
        if (!line) co_return;
        if (line->ends_with("your name?") || line->ends_with("Your name?")) {
            co_await bight::sleep_for(std::chrono::milliseconds(bight::random_below(500)));
            co_await s.write(name, "\n");
            continue;
        }
        if (*line == help_of_the_game) continue;
        const game_line now = read_game_line(*line);
        const auto me = now.players.find(name);
        if (me == now.players.end()) throw std::logic_error(name + " is not there: " + *line);
        if (last) {
            const auto& before = last->players.at(name);
            const int distance = std::abs(me->second.x - before.x) + std::abs(me->second.y - before.y);
            if (now.number <= last->number) throw std::logic_error("the ticks go back: " + *line);
            if (static_cast<std::uint64_t>(distance) > now.number - last->number)
                throw std::logic_error(name + " ran: " + *line);
        }
        last = now;
        std::string said;  // more in a tick than it may, and what is no step
        for (std::uint64_t n = bight::random_below(4); n > 0; --n)
            said += std::string(1, "nesw?"[bight::random_below(5)]) + (step % 2 == 0 ? "\n" : "\r\n");
        if (bight::random_below(400) == 0) said += "quit\n";
        co_await s.write(said);
    }
}

}  // namespace

TEST_CASE("game: in a storm nobody takes two steps in a tick, and after it all are there, each once") {
    sim::explore_options options;
    options.seeds = 10;
    options.name = "game";
    options.world.faults = sim::fault_plan::storm();
    const std::vector<std::string> names{"ann", "bob", "eve"};
    const auto result = sim::explore(
        [&](sim::world& w) {
            w.add("server").on_boot(game_server);
            for (const std::string& name : names) {
                w.add(name).on_boot([name]() -> task<> {
                    for (;;) {
                        try {
                            co_await play_at_random(name);
                        } catch (const std::logic_error&) {
                            throw;
                        } catch (const std::exception&) {
                        }
                        co_await bight::sleep_for(1s);
                    }
                });
            }
            w.run_for(15s);
            w.heal();
            w.run_for(20s);
            auto& all = w.own<std::vector<game_line>>();
            w.add("zoe").run([&]() -> task<> {
                bight::stream s = co_await take_a_seat("zoe");
                co_await watch_the_game(w, s, w.elapsed() + 3s, all);
            });
            w.run_for(4s);
            std::map<std::string, int> seen;
            for (const game_line& l : all)
                for (const auto& [name, p] : l.players) ++seen[name];
            for (const std::string& name : names)
                if (seen[name] == 0) throw std::runtime_error(name + " is not there any more");
        },
        options);
    CHECK(result.ok());
}
