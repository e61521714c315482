// What the checkers for users accept, and what they do not.
#include "support/catch.hpp"
#include "support/decimal_comma.hpp"

#include <bight/bight.hpp>
#include <bight/sim/at_most_once.hpp>
#include <bight/sim/invariant.hpp>
#include <bight/sim/latency_after_heal.hpp>
#include <bight/sim/leaks.hpp>
#include <bight/sim/one_holder.hpp>
#include <bight/sim/sender_order.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace {

// What is wrong in this world, as its run says; empty when nothing is.
std::string broken_in(sim::world& w) {
    try {
        w.run();
        return {};
    } catch (const sim::invariant_broken& e) {
        return e.what();
    }
}

}  // namespace

TEST_CASE("a run that was said to have failed ends with that error, the first one") {
    sim::world w(1);
    int steps = 0;
    w.add("server").on_boot([&]() -> task<> {
        for (;; ++steps) {
            if (steps == 3) w.fail(std::make_exception_ptr(std::runtime_error("the first")));
            if (steps == 3) w.fail(std::make_exception_ptr(std::runtime_error("the second")));
            co_await bight::sleep_for(1s);
        }
    });
    w.add("client").run([]() -> task<> { co_await bight::sleep_for(1h); });
    CHECK_THROWS_WITH(w.run(), "the first");
    CHECK(w.elapsed() < 5s);
    w.run_for(1s);  // it was thrown once
}

TEST_CASE("at most once: a request that is done twice, and one that is confirmed for nothing") {
    sim::world w(1);
    sim::at_most_once<int> payments(w, "payment");
    payments.done(1, "bank");
    payments.confirmed(1);
    payments.confirmed(1);
    payments.done(2);
    CHECK(payments.count() == 2);
    CHECK(payments.is_done(2));
    CHECK_FALSE(payments.is_done(3));
    CHECK(broken_in(w).empty());
    SECTION("twice") {
        payments.done(1, "other bank");
        CHECK(broken_in(w) ==
              "payment 1 was done twice: by bank at 0.000000 s, and by other bank at 0.000000 s");
    }
    SECTION("confirmed") {
        payments.confirmed(3);
        CHECK(broken_in(w) == "payment 3 was confirmed, and was not done (at 0.000000 s)");
    }
}

TEST_CASE("the order of each sender: what is lost, repeated, late or invented") {
    sim::world w(1);
    sim::sender_order<std::string> order(w);
    for (int i = 0; i < 5; ++i) order.sent("alice");
    order.sent("bob");
    order.received("carol", "alice", 2);  // she came when one had been said
    order.received("carol", "bob", 1);
    order.received("carol", "alice", 3);
    order.received("dave", "alice", 1);
    CHECK(broken_in(w).empty());
    CHECK(order.count("carol", "alice") == 2);
    CHECK(order.count("carol", "eve") == 0);
    SECTION("lost") {
        order.received("carol", "alice", 5);
        CHECK(broken_in(w).find("\"carol\" received message 5 of \"alice\" after 3") == 0);
    }
    SECTION("twice") {
        order.received("carol", "alice", 3);
        CHECK(broken_in(w).find("received message 3 of \"alice\" twice") != std::string::npos);
    }
    SECTION("backwards") {
        order.received("carol", "alice", 1);
        CHECK(broken_in(w).find("received message 1 of \"alice\" after 3") != std::string::npos);
    }
    SECTION("not sent yet") {
        order.received("carol", "alice", 6);
        CHECK(broken_in(w).find("message 6 of \"alice\", which was not sent") != std::string::npos);
    }
    SECTION("not sent at all") {
        order.received("carol", "eve", 1);
        CHECK(broken_in(w).find("which was not sent") != std::string::npos);
    }
    SECTION("0, which no message has") {
        order.received("dave", "bob", 0);
        CHECK(broken_in(w).find("which was not sent") != std::string::npos);
    }
}

TEST_CASE("the order of each sender, where some may be lost") {
    sim::world w(1);
    sim::sender_order<int> order(w, sim::sender_order<int>::gaps::allowed);
    for (int i = 0; i < 5; ++i) order.sent(1);
    order.received(2, 1, 2);
    order.received(2, 1, 5);
    CHECK(broken_in(w).empty());
    order.received(2, 1, 4);
    CHECK(broken_in(w).find("2 received message 4 of 1 after 5") == 0);
}

TEST_CASE("one holder: two have the same, and what was given back is free") {
    sim::world w(1);
    sim::one_holder<std::string> names(w);
    names.granted("root", "alice");
    names.granted("guest", "alice");
    names.released("root", "alice");
    names.granted("root", "bob");
    CHECK(names.holder("root") == "bob");
    CHECK(names.holder("nobody").empty());
    CHECK_THROWS_AS(names.released("root", "alice"), std::logic_error);
    CHECK_THROWS_AS(names.released("nobody", "alice"), std::logic_error);
    CHECK(broken_in(w).empty());
    SECTION("another") {
        names.granted("root", "carol");
        CHECK(broken_in(w) ==
              "\"root\" was given to carol (at 0.000000 s), and bob has it since at 0.000000 s");
    }
    SECTION("the same again") {
        names.granted("root", "bob");
        CHECK(broken_in(w).find(", who has it since") != std::string::npos);
    }
    SECTION("who has crashed has nothing") {
        names.lost_all("alice");
        names.granted("guest", "carol");
        CHECK(broken_in(w).empty());
        CHECK(names.holder("root") == "bob");
    }
}

TEST_CASE("latency after heal: before it anything may take its time") {
    sim::world w(1);
    sim::latency_after_heal answers(w, 2s);
    auto old = answers.begin("the old answer");
    auto older = answers.begin("the oldest answer");
    w.run_for(1h);
    older.ended();
    CHECK(answers.longest() == 0s);
    CHECK_FALSE(w.healed_at());
    w.heal();
    CHECK(w.healed_at() == bight::duration(1h));
    w.run_for(2s);
    answers.check();
    CHECK(broken_in(w).empty());
    SECTION("what ends in time") {
        old.ended();
        auto another = answers.begin("another");
        w.run_for(1s);
        another.ended();
        another.ended();
        w.run_for(1h);
        answers.check();
        CHECK(broken_in(w).empty());
        CHECK(answers.longest() == 2s);
    }
    SECTION("what ends late") {
        w.run_for(1s);
        old.ended();
        const std::string wrong = broken_in(w);
        CHECK(wrong ==
              "the old answer (begun at 0.000000 s) ended after 3.000000 s without harm, and not within "
              "2.000000 s (at 3603.000000 s)");
    }
    SECTION("what never ends") {
        w.run_for(1s);
        answers.check();
        CHECK(broken_in(w).find("the old answer (begun at 0.000000 s) has not ended") == 0);
    }
    SECTION("what nobody waits for") {
        w.run_for(1s);
        answers.forget_all();
        answers.check();
        old.ended();
        CHECK(broken_in(w).empty());
    }
}

TEST_CASE("leaks: sockets, tasks, timers and receive buffers that a server does not give back") {
    enum class leak { none, stream, timer, buffer };
    for (const leak which : {leak::none, leak::stream, leak::timer, leak::buffer}) {
        sim::world w(1);
        struct hoard {
            std::vector<bight::stream> streams;
            std::vector<bight::chunk> chunks;
        };
        hoard& kept = w.own<hoard>();
        sim::host& server = w.add("server");
        server.on_boot([&kept, which]() -> task<> {
            const auto serve_one = [&kept, which](bight::stream peer) -> task<> {
                auto data = co_await peer.read_some();
                if (which == leak::buffer) kept.chunks.push_back(std::move(data));
                if (which == leak::stream) kept.streams.push_back(std::move(peer));
                if (which == leak::timer) co_await bight::sleep_for(24h);
            };
            co_await bight::serve("tcp:7000", serve_one);
        });
        w.run_for(1s);
        const sim::leak_check leaks(w);
        w.add("client").run([]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write("hello");
            co_await peer.close();
        });
        w.run();
        w.run_for(1min);
        std::string wrong;
        try {
            leaks.check();
        } catch (const sim::invariant_broken& e) {
            wrong = e.what();
        }
        INFO(wrong);
        const auto names = [&wrong](const char* what) { return wrong.find(what) != std::string::npos; };
        CHECK(wrong.empty() == (which == leak::none));
        CHECK(names("server has ") == (which != leak::none));
        CHECK(names("2 sockets instead of 1") == (which == leak::stream || which == leak::timer));
        CHECK(names("timers") == (which == leak::timer));
        // Who sleeps has what it read, too.
        CHECK(names("1 receive buffers instead of 0") == (which == leak::buffer || which == leak::timer));
    }
}

TEST_CASE(
    "latency after heal: a check of a world that was not healed, or is no more, is a mistake of the test") {
    sim::world_options options;
    options.faults = sim::fault_plan::storm();
    sim::world w(1, options);
    sim::latency_after_heal answers(w, 2s);
    auto answer = answers.begin("the answer");
    CHECK_THROWS_AS(answers.check(), std::logic_error);
    w.heal();
    w.run_for(2s);
    answers.check();
    w.set_faults(sim::fault_plan::storm().without_harm());
    w.set_faults({});
    answers.check();
    CHECK(w.healed_at() == 0s);

    w.set_faults(sim::fault_plan::storm());
    CHECK_FALSE(w.healed_at());
    CHECK_THROWS_WITH(answers.check(), Catch::Contains("set_faults"));
    w.run_for(1h);
    answer.ended();  // late, in a storm
    CHECK(broken_in(w).empty());
    auto another = answers.begin("another");
    w.heal();
    w.run_for(1s);
    answers.check();
    another.ended();
}

TEST_CASE("leaks: of a host that is down nothing can be said") {
    sim::world w(1);
    sim::host& server = w.add("server");
    server.on_boot([] { return bight::serve("tcp:7000", [](bight::stream) -> task<> { co_return; }); });
    w.run_for(1s);
    const sim::leak_check leaks(w);
    leaks.check();
    server.crash();
    CHECK_THROWS_AS(leaks.check(), std::logic_error);
    CHECK_THROWS_WITH(leaks.check(), Catch::Contains("\"server\" is down"));
    CHECK_THROWS_AS(sim::leak_check(w), std::logic_error);
    server.restart();
    w.run_for(1s);
    leaks.check();
}

TEST_CASE("the time in a message has a point, whatever the locale of the program") {
    const test::decimal_comma has_comma;
    CHECK(sim::detail::seconds_text(1500ms) == "1.500000 s");
    CHECK(sim::detail::seconds_text(1h) == "3600.000000 s");
    CHECK(sim::detail::seconds_text(bight::duration(-1500ms)) == "-1.500000 s");
    CHECK(sim::detail::seconds_text(1999ns) == "0.000002 s");
}
