#include "echo_server.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::serve_echo;
namespace sim = bight::sim;

namespace {

task<std::string> ask(std::string server, std::string text) {
    bight::stream peer = co_await bight::connect(server);
    std::string answer;
    auto speak = [&]() -> task<> {
        co_await peer.write(text);
        co_await peer.shutdown_write();
    };
    auto listen = [&]() -> task<> {
        while (auto data = co_await peer.read_some()) answer += data.view();
    };
    co_await bight::when_all(speak(), listen());
    co_return answer;
}

// A client and a server: what the client got, and the world's trace.
std::string echo_once(std::uint64_t seed, const sim::fault_plan& faults, const std::string& text,
                      std::uint64_t* digest = nullptr) {
    sim::world_options options;
    options.faults = faults;
    sim::world w(seed, options);
    w.add("server").on_boot(serve_echo);
    std::string answer;
    w.add("client").run([&]() -> task<> { answer = co_await ask("tcp:server:7000", text); });
    w.run();
    if (digest) *digest = w.trace().digest();
    return answer;
}

}  // namespace

TEST_CASE("what a client sends through a simulated network comes back") {
    CHECK(echo_once(1, {}, "hello") == "hello");
    const std::string large(1'000'000, 'x');
    CHECK(echo_once(2, {}, large) == large);
}

TEST_CASE("bytes arrive whole and in order however they are cut") {
    sim::fault_plan faults;
    faults.set(sim::fault::short_read, 0.5)
        .set(sim::fault::small_segment, 0.5)
        .set(sim::fault::slow_packet, 0.1);
    faults.set(sim::fault::slow_completion, 0.1);
    std::string text;
    for (int i = 0; i < 2000; ++i) text += std::to_string(i) + " ";
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        INFO("seed " << seed);
        REQUIRE(echo_once(seed, faults, text) == text);
    }
}

TEST_CASE("the same seed gives the same trace, and another seed another") {
    std::uint64_t first = 0;
    std::uint64_t again = 0;
    std::uint64_t other = 0;
    sim::fault_plan faults;
    faults.set(sim::fault::short_read, 0.5).set(sim::fault::small_segment, 0.5);
    echo_once(7, faults, "some text", &first);
    echo_once(7, faults, "some text", &again);
    echo_once(8, faults, "some text", &other);
    CHECK(first == again);
    CHECK(first != other);
}

TEST_CASE("when an outbox cannot send, the reader of its stream is told") {
    sim::world_options options;
    options.faults.set(sim::fault::no_buffers, 1);
    std::error_code seen;
    sim::world w(3, options);
    const auto greet = [&](bight::stream peer) -> task<> {
        bight::outbox out(peer);
        out.send("hello\n");
        auto read = co_await bight::as_result(peer.read_some());
        if (!read) seen = read.error();
    };
    w.add("server").on_boot([&] { return bight::serve("tcp:7000", greet); });
    w.add("client").run([&]() -> task<> {
        bight::stream peer = co_await bight::connect("tcp:server:7000");
        auto read = co_await bight::as_result(peer.read_some());
        CHECK(read.error() == std::errc::connection_reset);
    });
    w.run();
    CHECK(seen == std::errc::no_buffer_space);  // although it was aborted before the read began
}

TEST_CASE("what completes at one moment is told in an order that the seed decides, and each run keeps it") {
    const auto order_with = [](std::uint64_t seed) {
        std::string order;
        sim::world w(seed);
        w.add("server").on_boot([&] {
            return bight::serve("tcp:7000", [&](bight::stream peer) -> task<> {
                auto data = co_await peer.read_some();
                order += data.view();
            });
        });
        w.add("client").run([]() -> task<> {
            bight::stream a = co_await bight::connect("tcp:server:7000");
            bight::stream b = co_await bight::connect("tcp:server:7000");
            bight::stream c = co_await bight::connect("tcp:server:7000");
            co_await bight::sleep_for(1s);
            co_await a.write("a");
            co_await b.write("b");
            co_await c.write("c");
            auto end = co_await a.read_some();
        });
        sim::link_options steady;
        steady.least = steady.most = 1ms;
        w.set_link(w.at("server"), w.at("client"), steady);
        w.run();
        return order;
    };
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        orders.insert(order_with(seed));
        REQUIRE(order_with(seed) == order_with(seed));
    }
    CHECK(orders == std::set<std::string>{"abc", "acb", "bac", "bca", "cab", "cba"});
}

TEST_CASE("which of several hosts runs first is decided by the seed") {
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        std::string order;
        sim::world w(seed);
        for (const char name : {'a', 'b', 'c'}) {
            w.add(std::string(1, name)).run([&order, name]() -> task<> {
                order += name;
                co_return;
            });
        }
        w.run();
        orders.insert(order);
    }
    CHECK(orders == std::set<std::string>{"abc", "acb", "bac", "bca", "cab", "cba"});
}

TEST_CASE("a task that never stops yielding is an error, which names it") {
    sim::world w(1);
    w.add("busy").run([]() -> task<> {
        for (;;) co_await bight::yield();
    });
    CHECK_THROWS_WITH(w.run(), Catch::Contains("a task never stops yielding") && Catch::Contains("busy"));
}

TEST_CASE("the order that a reactor promises is kept whatever the seed is") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        std::string order;
        sim::world w(seed);
        w.add("host").run([&]() -> task<> {
            auto& here = *bight::reactor::current();
            for (const char c : {'a', 'b', 'c'}) here.post([&order, c] { order += c; });
            const auto say = [&](char c) -> task<> {
                co_await bight::sleep_for(1s);
                order += c;
            };
            co_await bight::when_all(say('d'), say('e'), say('f'));
        });
        w.run();
        REQUIRE(order == "abcdef");
    }
}

TEST_CASE("a host that stood still until after a deadline gets what came before it") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        CAPTURE(seed);
        sim::world w(seed);
        w.add("server").on_boot([]() -> task<> {
            bight::listener l = bight::listen("tcp:7000");
            bight::stream s = co_await l.accept();
            co_await bight::sleep_for(200ms);
            co_await s.write("in time");
            co_await bight::sleep_for(1h);
        });
        std::string got;
        auto& client = w.add("client");
        client.run([&]() -> task<> {
            bight::stream s = co_await bight::connect("tcp:server:7000");
            const auto data = co_await bight::try_with_timeout(s.read_some(), 1s);
            got = data ? data->to_string() : "timed out";
        });
        w.run_for(100ms);
        client.pause(5s);
        w.run();
        CHECK(got == "in time");
    }
}

TEST_CASE("a listener that outlives its world can be dropped") {
    bight::listener kept;
    bool listens = false;
    {
        sim::world w(1);
        w.add("server").run([&]() -> task<> {
            kept = bight::listen("tcp:7000");
            listens = kept.local().port() == 7000;
            co_return;
        });
        w.run();
    }
    CHECK(listens);
    CHECK_FALSE(kept.local());
    kept = bight::listener();
}

TEST_CASE("what a world owns goes in the reverse of the order in which it was made") {
    struct first {
        bool lives = true;
        ~first() { lives = false; }
    };
    struct second {
        second(first& f, int& s) : on(f), seen(s) {}
        ~second() { seen = on.lives ? 1 : 2; }
        first& on;
        int& seen;
    };
    int seen = 0;
    {
        sim::world w(1);
        w.own<second>(w.own<first>(), seen);
    }
    CHECK(seen == 1);
}

TEST_CASE("a world comes to its end when a host fails while a closed connection has yet to say its end") {
    bight::sim::world w(1, {});
    auto slow = [](bight::stream peer) -> task<> {
        (void)co_await peer.read_some();
        co_await bight::sleep_for(1h);
    };
    w.add("server").on_boot([slow] { return bight::serve("tcp:7000", slow); });
    w.add("client").run([]() -> task<> {
        bight::stream peer = co_await bight::connect("tcp:server:7000");
        co_await peer.write("hello");
    });
    w.add("other").run([]() -> task<> {
        co_await bight::sleep_for(1s);
        throw std::logic_error("the test has failed");
    });
    CHECK_THROWS_WITH(w.run(), Catch::Contains("the test has failed"));
}
