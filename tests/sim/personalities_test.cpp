// Personalities: each has its habits, they show, and bugs that only they show are found.
#include "planted/habits.hpp"

#include "sim/habits.hpp"
#include "sim/world_state.hpp"
#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/explore.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;
using sim::personality;
using sim::detail::trait;

template <>
struct Catch::StringMaker<sim::personality> {
    static std::string convert(sim::personality p) { return std::string(sim::name_of(p)); }
};

namespace {

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
    return text;
}

sim::world_options as(personality p) {
    sim::world_options options;
    options.personality = p;
    return options;
}

// Reads with pauses, and lets some of its reads be cancelled.
task<> serve_impatiently(bight::stream peer, std::string& got) {
    for (std::size_t n = 0;; ++n) {
        auto chunk =
            co_await bight::try_with_timeout(peer.read_some(), std::chrono::microseconds(50 + 150 * (n % 4)));
        if (!chunk) continue;
        if (chunk->empty()) co_return;
        got += chunk->view();
        co_await peer.write(*chunk);
        if (n % 8 == 0) co_await bight::sleep_for(1ms);
    }
}

// Sends more than the buffers hold, while it reads what comes back, and waits for the end beside that.
task<> ask(std::string where, std::size_t size, std::string& answer, bool& end_seen) {
    bight::stream peer = co_await bight::connect(where);
    const std::string text = pattern(size);
    auto write = [&]() -> task<> {
        for (std::size_t at = 0; at < text.size(); at += 20'000) {
            co_await peer.write(text.substr(at, 20'000));
        }
        co_await peer.shutdown_write();
    };
    auto read = [&]() -> task<> {
        while (auto chunk = co_await peer.read_some()) answer += chunk.view();
    };
    auto watch = [&]() -> task<> {
        co_await bight::until_peer_gone(peer);
        end_seen = true;
    };
    co_await bight::when_all(write(), read(), watch());
}

// Four tasks that wait on connections of their own, and are cancelled together; bytes come in that moment.
task<> cancel_together() {
    auto all = co_await planted::habits::connect_pairs(4);
    for (int round = 0; round < 5; ++round) {
        auto body = [&](bight::group& g) -> task<> {
            for (bight::stream& s : all.ours) {
                auto read = [&s]() -> task<> { co_await s.read_some(); };
                g.spawn(read);
            }
            co_await bight::sleep_for(1ms);
            g.cancel();
            auto write = [&]() -> task<> { co_await all.theirs[0].write("x"); };
            co_await bight::shield(write(), 1s);
        };
        co_await bight::with_group(body);
    }
}

// A reader and a writer that both wait are ended by a reset, on a few connections.
task<> reset_both() {
    auto all = co_await planted::habits::connect_pairs(4);
    const std::string text = pattern(1'000'000);
    auto body = [&](bight::group& g) -> task<> {
        for (bight::stream& s : all.ours) {
            auto read = [&s]() -> task<> { (void)co_await bight::as_result(s.read_some()); };
            auto write = [&s, &text]() -> task<> { (void)co_await bight::as_result(s.write(text)); };
            g.spawn(read);
            g.spawn(write);
        }
        co_await bight::sleep_for(1ms);
        for (bight::stream& s : all.theirs) s.abort();
    };
    co_await bight::with_group(body);
}

// More completions in one moment than one wait may report.
task<> many_at_once() {
    auto all = co_await planted::habits::connect_pairs(12);
    auto body = [&](bight::group& g) -> task<> {
        for (bight::stream& s : all.ours) {
            auto read = [&s]() -> task<> { co_await s.read_some(); };
            g.spawn(read);
        }
        co_await bight::sleep_for(1ms);
        for (bight::stream& s : all.theirs) {
            auto write = [&s]() -> task<> { co_await s.write("x"); };
            g.spawn(write);
        }
    };
    co_await bight::with_group(body);
}

// Three connections, of which one is reset before it is accepted.
task<> abort_in_backlog() {
    bight::listener at = bight::listen("tcp:7100");
    for (int i = 0; i < 3; ++i) {
        bight::stream caller = co_await bight::connect("tcp:localhost:7100");
        if (i == 1) caller.abort();
        co_await bight::sleep_for(10ms);
    }
    for (int i = 0; i < 2; ++i) co_await at.accept();
}

// All of these, with one seed. The bytes are those that were sent, whatever the personality.
void add_to(sim::detail::trait_counts& counts, personality p, std::uint64_t seed) {
    std::map<int, std::string> got;
    std::map<int, std::string> answers;
    std::map<int, bool> ends;
    {
        sim::world w(seed, as(p));
        auto& server = w.add("server");
        int next = 0;
        server.on_boot([&] {
            return bight::serve("tcp:7000", [&](bight::stream peer) -> task<> {
                co_await serve_impatiently(std::move(peer), got[next++]);
            });
        });
        for (int i = 0; i < 3; ++i) {
            w.add("client" + std::to_string(i)).run([&, i]() -> task<> {
                co_await ask("tcp:server:7000", 100'000, answers[i], ends[i]);
            });
        }
        w.at("client0").run([]() -> task<> { co_await cancel_together(); });
        w.at("client1").run([]() -> task<> { co_await abort_in_backlog(); });
        w.at("client1").run([]() -> task<> { co_await reset_both(); });
        w.at("client2").run([]() -> task<> { co_await many_at_once(); });
        w.run();
        const auto& shown = sim::detail::world_access::state(w).traits_shown;
        for (std::size_t t = 0; t < counts.size(); ++t) counts[t] += shown[t];
    }
    for (int i = 0; i < 3; ++i) {
        CHECK((answers[i] == pattern(100'000)));
        CHECK((got[i] == pattern(100'000)));
        CHECK(ends[i]);
    }
}

struct expected {
    personality of;
    std::set<trait> shows;
    std::set<trait> may;  ///< shown or not
};

const expected table[] = {
    {personality::plain,
     {trait::ended_at_once},
     {trait::both_in_one_event, trait::events_apart, trait::end_before_data}},
    {personality::io_uring,
     {trait::ended_later, trait::cancelled_later, trait::beat_cancellation, trait::cancelled_early},
     {trait::both_in_one_event, trait::events_apart, trait::end_before_data}},
    {personality::epoll,
     {trait::ended_at_once, trait::called_in_turn, trait::tried_in_vain, trait::both_in_one_event,
      trait::end_before_data},
     {trait::beat_cancellation}},
    {personality::kqueue,
     {trait::ended_at_once, trait::called_in_turn, trait::events_apart, trait::end_before_data,
      trait::accept_aborted},
     {trait::both_in_one_event, trait::beat_cancellation}},
    {personality::iocp,
     {trait::ended_at_once, trait::ended_later, trait::called_in_turn, trait::cancelled_later,
      trait::beat_cancellation, trait::batch, trait::left_for_next_wait},
     {trait::both_in_one_event, trait::events_apart, trait::end_before_data}},
    {personality::wfmo,
     {trait::ended_at_once, trait::called_in_turn, trait::both_in_one_event, trait::left_for_next_wait},
     {trait::beat_cancellation, trait::end_before_data}},
};

using program = std::function<void(sim::world&)>;

void on_one_host(sim::world& w, task<> (*body)()) {
    w.add("localhost").run([body]() -> task<> { co_await body(); });
    w.run();
}

void receive_hastily(sim::world& w) {
    w.add("server", "10.0.0.1").on_boot([] {
        return bight::serve("tcp:7000", [](bight::stream peer) -> task<> {
            co_await bight::sleep_for(3ms);
            co_await peer.write("hello");
        });
    });
    w.add("client").run([]() -> task<> {
        co_await planted::habits::an_event_is_data(bight::address::from_ip("10.0.0.1", 7000));
    });
    w.run();
}

// The personalities under which one of 60 seeds shows the bug.
std::set<std::string> found_by(const program& run) {
    std::set<std::string> found;
    for (const personality p : sim::personalities) {
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
            try {
                sim::world w(seed, as(p));
                run(w);
            } catch (const planted::relied&) {
                found.insert(std::string(sim::name_of(p)));
                break;
            }
        }
    }
    return found;
}

using names = std::set<std::string>;

std::string personality_in(const sim::trace& t) {
    for (const auto& e : t.events()) {
        if (e.what == "personality") return std::string(e.text);
    }
    return "none";
}

// Two hosts that talk a little.
void talk(sim::world& w) {
    w.add("server").on_boot([] {
        return bight::serve("tcp:7000", [](bight::stream peer) -> task<> {
            while (auto data = co_await peer.read_some()) co_await peer.write(data);
        });
    });
    w.add("client").run([]() -> task<> {
        bight::stream s = co_await bight::connect("tcp:server:7000");
        co_await s.write("hello");
        co_await s.read_some();
    });
    w.run();
}

std::uint64_t digest_of(std::uint64_t seed, personality p) {
    sim::world w(seed, as(p));
    talk(w);
    return w.trace().digest();
}

}  // namespace

TEST_CASE("each personality shows all of its traits and no other, and loses no byte") {
    const expected& row = table[GENERATE(range(0, 6))];
    sim::detail::trait_counts counts{};
    for (std::uint64_t seed = 1; seed <= 20; ++seed) add_to(counts, row.of, seed);
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const auto t = static_cast<trait>(i);
        CAPTURE(row.of, i);
        if (row.shows.contains(t)) {
            CHECK(counts[i] > 0);
        } else if (!row.may.contains(t)) {
            CHECK(counts[i] == 0);
        }
    }
}

TEST_CASE("only io_uring finds that cancelled tasks are taken to end in order") {
    CHECK(found_by([](sim::world& w) { on_one_host(w, planted::habits::cancelled_tasks_end_in_order); }) ==
          names{"io_uring"});
}

TEST_CASE("only epoll finds that an event is taken for data") {
    CHECK(found_by(receive_hastily) == names{"epoll"});
}

TEST_CASE("only kqueue finds that each connection is taken to be accepted") {
    CHECK(found_by([](sim::world& w) { on_one_host(w, planted::habits::as_many_accepts_as_connects); }) ==
          names{"kqueue"});
}

TEST_CASE("only iocp finds that what starts first is taken to end first") {
    CHECK(found_by([](sim::world& w) { on_one_host(w, planted::habits::what_starts_first_ends_first); }) ==
          names{"iocp"});
}

TEST_CASE("only wfmo finds that what comes together is taken to be told together") {
    CHECK(found_by([](sim::world& w) {
              on_one_host(w, planted::habits::what_comes_together_is_told_together);
          }) == names{"wfmo"});
}

TEST_CASE("the same seed gives the same run under each personality, and a trace says which one it was") {
    const personality p = GENERATE(from_range(sim::personalities));
    CAPTURE(p);
    CHECK(digest_of(7, p) == digest_of(7, p));
    sim::world w(7, as(p));
    talk(w);
    CHECK(w.personality() == p);
    CHECK(personality_in(w.trace()) == (p == personality::plain ? "none" : sim::name_of(p)));
}

TEST_CASE("the seed chooses among all personalities, and what it chooses runs as if it were named") {
    std::set<personality> chosen;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        sim::world w(seed, as(personality::by_seed));
        chosen.insert(w.personality());
        if (seed > 10) continue;
        CHECK(digest_of(seed, personality::by_seed) == digest_of(seed, w.personality()));
    }
    CHECK(chosen == std::set<personality>(sim::personalities.begin(), sim::personalities.end()));
}

TEST_CASE("a personality is found by its name") {
    for (const personality p : sim::personalities) CHECK(sim::personality_called(sim::name_of(p)) == p);
    CHECK(sim::personality_called("by_seed") == personality::by_seed);
    CHECK_FALSE(sim::personality_called("IOCP"));
    CHECK_FALSE(sim::personality_called(""));
}

TEST_CASE("a failure that needs a personality is shrunk, reported and run again with it") {
    sim::explore_options options;
    options.seeds = 500;
    options.world = as(personality::by_seed);
    options.world.faults =
        sim::fault_plan().set(sim::fault::slow_packet, 0.3).set(sim::fault::late_timers, 0.3);
    options.quiet = true;
    const auto test = [](sim::world& w) {
        on_one_host(w, planted::habits::what_comes_together_is_told_together);
    };
    const auto result = sim::explore(test, options);
    REQUIRE_FALSE(result.ok());
    const sim::seed_failure& f = *result.failure;
    INFO(f.report);
    CHECK(f.personality == personality::wfmo);
    CHECK(f.faults.empty());
    CHECK_THAT(f.replay, Catch::Contains(":personality=wfmo"));
    CHECK_THAT(f.report, Catch::Contains("under the personality wfmo"));
    const test::environment_variable replay("BIGHT_SIM_SEED", f.replay);
    const auto again = sim::explore(test, options);
    REQUIRE_FALSE(again.ok());
    CHECK(again.failure->personality == personality::wfmo);
    CHECK(again.failure->trace == f.trace);
}

TEST_CASE("a failure that needs no personality is shrunk to the plain one") {
    sim::explore_options options;
    options.seeds = 5;
    options.world = as(personality::iocp);
    options.quiet = true;
    const auto result = sim::explore(
        [](sim::world& w) {
            talk(w);
            throw std::runtime_error("always");
        },
        options);
    REQUIRE_FALSE(result.ok());
    CHECK(result.failure->personality == personality::plain);
    CHECK_THAT(result.failure->replay, Catch::Contains("personality=plain"));
}

TEST_CASE(
    "BIGHT_REACTOR names a personality behind the seed, and an unknown one is an error that lists them") {
    for (const auto as : sim::personalities) {
        test::reactor_fixture on(test::reactor_choice::simulated(3, as));
        CHECK(on.reactor().demultiplexer_name() == "simulation");
    }
    const std::string wrong = GENERATE("sim:1:", "sim:1:windows", "sim:1:iocp:2");
    const test::environment_variable set("BIGHT_REACTOR", wrong);
    CHECK_THROWS_WITH(bight::reactor(),
                      Catch::Contains("a personality: plain, io_uring, epoll, kqueue, iocp, wfmo, by_seed"));
}
