// Histories of a register and of a map: the right ones are accepted, the wrong ones are not.
#include "support/catch.hpp"

#include <bight/sim/linearizable.hpp>
#include <bight/sim/random.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace sim = bight::sim;
using sim::detail::register_call;

namespace {

using ints = sim::register_history<int>;

std::string judged(const ints& calls) { return calls.judge(1'000'000); }

// All orders, one by one: what the search is compared with. Only for a few calls.
bool some_order_fits(const std::vector<register_call>& calls, std::vector<bool>& in, std::size_t value) {
    const auto must = [](const register_call& c) { return c.ended_as == register_call::outcome::ended; };
    bool all = true;
    for (std::size_t i = 0; i < calls.size(); ++i) all = all && (in[i] || !must(calls[i]));
    if (all) return true;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const register_call& c = calls[i];
        if (in[i] || c.ended_as == register_call::outcome::refused) continue;
        bool too_early = false;
        for (std::size_t j = 0; j < calls.size(); ++j) {
            too_early = too_early || (!in[j] && must(calls[j]) && calls[j].ended < c.begun);
        }
        if (too_early) continue;
        std::size_t after = value;
        if (c.what == register_call::kind::write) after = c.value;
        if (c.what == register_call::kind::exchange && value == c.expected) after = c.value;
        if (must(c) && c.what == register_call::kind::read && c.value != value) continue;
        if (must(c) && c.what == register_call::kind::exchange && c.exchanged != (value == c.expected))
            continue;
        in[i] = true;
        const bool fits = some_order_fits(calls, in, after);
        in[i] = false;
        if (fits) return true;
    }
    return false;
}

// Calls of a few clients that overlap, with answers that are right about as often as not.
std::vector<register_call> guesses(sim::random_source& random, std::size_t count) {
    std::vector<register_call> calls(count);
    for (register_call& c : calls) {
        c.what = static_cast<register_call::kind>(random.below(3));
        c.value = random.below(3);
        c.expected = random.below(3);
        c.exchanged = random.below(2) == 0;
        c.begun = random.below(40) * 2;
        c.by = "client";
        const std::uint64_t how = random.below(8);
        if (how == 0) continue;  // no answer
        c.ended_as = how == 1 && c.what != register_call::kind::read ? register_call::outcome::refused
                                                                     : register_call::outcome::ended;
        c.ended = c.begun + 1 + random.below(12) * 2;
    }
    // As they are added, none at the same moment as another.
    std::stable_sort(calls.begin(), calls.end(),
                     [](const auto& a, const auto& b) { return a.begun < b.begun; });
    return calls;
}

}  // namespace

TEST_CASE("a register that was read as it was written is linearizable") {
    sim::world w(1);
    ints calls(w, 7);
    calls.read("a").returned(7);
    calls.write("a", 8).returned();
    calls.read("b").returned(8);
    calls.exchange("b", 8, 9).returned(true);
    calls.exchange("b", 8, 10).returned(false);
    calls.read("a").returned(9);
    CHECK(judged(calls).empty());
    CHECK_NOTHROW(calls.check());
    CHECK(calls.size() == 6);
}

TEST_CASE("a register that gives what was overwritten is not, and the message has the calls") {
    sim::world w(1);
    ints calls(w);
    calls.write("alice", 1).returned();
    calls.write("alice", 2).returned();
    calls.read("bob").returned(1);
    CHECK_THROWS_AS(calls.check(), sim::invariant_broken);
    const std::string text = judged(calls);
    INFO(text);
    CHECK(text.starts_with("2 of its 3 calls can be put in an order"));
    CHECK(text.find("alice wrote 2 (from 0.000000 s to 0.000000 s)") != text.npos);
    CHECK(text.find("none of these can be the next:\n    bob read 1") != text.npos);
}

TEST_CASE("what overlaps may have happened in any order") {
    sim::world w(1);
    for (const int seen : {0, 1, 2}) {
        ints calls(w);
        auto one = calls.write("a", 1);
        auto two = calls.write("b", 2);
        calls.read("c").returned(seen);
        one.returned();
        two.returned();
        CHECK(judged(calls).empty());
    }
    SECTION("but not a value that nobody writes") {
        ints calls(w);
        auto one = calls.write("a", 1);
        calls.read("c").returned(3);
        one.returned();
        CHECK_FALSE(judged(calls).empty());
    }
    SECTION("and not backwards: the new value, and then the old one") {
        ints calls(w);
        auto one = calls.write("a", 1);
        calls.read("b").returned(1);
        calls.read("c").returned(0);
        one.returned();
        CHECK_FALSE(judged(calls).empty());
    }
}

TEST_CASE("a call without an answer may take effect at any time, or never, but only once") {
    sim::world w(1);
    ints calls(w);
    static_cast<void>(calls.write("a", 1));
    static_cast<void>(calls.read("a"));
    calls.read("b").returned(0);
    CHECK(judged(calls).empty());
    calls.read("b").returned(1);
    CHECK(judged(calls).empty());
    calls.write("b", 2).returned();
    calls.read("b").returned(2);
    CHECK(judged(calls).empty());
    calls.read("b").returned(1);
    CHECK_FALSE(judged(calls).empty());
}

TEST_CASE("a call that was refused has not happened") {
    sim::world w(1);
    ints calls(w);
    calls.write("a", 1).refused();
    calls.read("b").returned(0);
    CHECK(judged(calls).empty());
    calls.read("b").returned(1);
    CHECK_FALSE(judged(calls).empty());
}

TEST_CASE("of two exchanges of the same value one finds another") {
    sim::world w(1);
    for (const bool both : {false, true}) {
        ints calls(w);
        auto a = calls.exchange("a", 0, 1);
        auto b = calls.exchange("b", 0, 2);
        a.returned(both);
        b.returned(true);
        CHECK(judged(calls).empty() != both);
    }
}

TEST_CASE("a call that ends twice is a mistake of the test") {
    sim::world w(1);
    ints calls(w);
    auto write = calls.write("a", 1);
    write.returned();
    CHECK_THROWS_AS(write.returned(), std::logic_error);
    CHECK_THROWS_AS(write.refused(), std::logic_error);
}

TEST_CASE("the search agrees with trying all orders") {
    sim::random_source random(1);
    int linearizable = 0;
    constexpr int histories = 3000;
    for (int i = 0; i < histories; ++i) {
        const std::vector<register_call> calls = guesses(random, 2 + random.below(5));
        std::vector<bool> in(calls.size(), false);
        const bool fits = some_order_fits(calls, in, 0);
        const std::string text = sim::detail::judge(calls, 0, {"0", "1", "2"}, 1'000'000);
        INFO("history " << i << ": " << text);
        REQUIRE(text.empty() == fits);
        linearizable += fits ? 1 : 0;
    }
    CHECK(linearizable > histories / 10);
    CHECK(linearizable < histories - histories / 10);
}

TEST_CASE("a long history of a register that is right is found to be so, and one stale read in it is found") {
    for (const bool stale : {false, true}) {
        sim::world w(1);
        sim::random_source random(3);
        ints calls(w);
        int value = 0;
        int before = 0;
        // Four clients, whose calls take effect one by one while others have begun and not ended.
        for (int round = 1; round <= 500; ++round) {
            std::vector<ints::writing> writes;
            for (int client = 0; client < 3; ++client)
                writes.push_back(calls.write("writer", 4 * round + client));
            auto read = calls.read("reader");
            const int seen = static_cast<int>(random.below(4));
            before = value;
            if (seen < 3) {
                read.returned(4 * round + seen);
                value = 4 * round + 2 - (seen == 2 ? 1 : 0);
            } else {
                read.returned(value);
                value = 4 * round;
            }
            for (ints::writing& one : writes) one.returned();
            calls.read("reader").returned(stale && round == 250 ? before : value);
        }
        CHECK(judged(calls).empty() != stale);
    }
}

TEST_CASE("a search that takes too long says that it does not know") {
    sim::world w(1);
    ints calls(w);
    for (int i = 1; i <= 30; ++i) static_cast<void>(calls.write("a", i));
    calls.read("b").returned(-1);
    CHECK_THROWS_AS(calls.check(1000), sim::undecided);
}

TEST_CASE("the keys of a map are registers of their own") {
    sim::world w(1);
    sim::map_history<std::string, int> calls(w, {{"c", 5}});
    calls["a"].read("x").returned(std::nullopt);
    calls["a"].exchange("x", std::nullopt, 1).returned(true);
    calls["b"].write("y", 2).returned();
    calls["b"].write("y", std::nullopt).returned();
    calls["c"].read("x").returned(5);
    calls["a"].read("y").returned(1);
    CHECK_NOTHROW(calls.check());
    calls["b"].read("y").returned(2);
    std::string text;
    try {
        calls.check();
    } catch (const sim::invariant_broken& e) {
        text = e.what();
    }
    INFO(text);
    CHECK(text.find("at \"b\"") != text.npos);
    CHECK(text.find("y wrote nothing") != text.npos);
    CHECK(text.find("y read 2") != text.npos);
}
