// Servers, and what waits, the same on every demultiplexer and in a simulated world.
#include "parity.hpp"

#include "support/catch.hpp"
#include "support/few_descriptors.hpp"
#include "support/places.hpp"

#include <bight/bight.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::listener;
using bight::stream;
using bight::task;
using test::answer_of;
using test::error_of;
using test::from_errno;
using test::place_fixture;
using test::rest;

namespace {

task<> echo_but_not_bad(stream peer) {
    while (auto chunk = co_await peer.read_some()) {
        if (chunk.view() == "bad") throw std::runtime_error("a bad word");
        co_await peer.write(chunk);
    }
}

constexpr int few_sockets = 40;

// Takes every descriptor that is left: each listener has one, and one in reserve.
std::vector<listener> take_all_descriptors() {
    std::vector<listener> taken;
    try {
        for (;;) taken.push_back(bight::listen("tcp:0:interface=127.0.0.1"));
    } catch (const std::system_error& e) {
        CHECK(e.code() == from_errno(EMFILE));
    }
    return taken;
}

}  // namespace

TEST_CASE("an error in one connection resets that one, is reported once, and the others go on") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    bool done = false;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            bight::serve_options options;
            options.drain = 0s;
            co_await bight::when_any(bight::serve(std::move(l), options, echo_but_not_bad),
                                     on.until([&] { return done; }));
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream good = co_await bight::connect(where);
            std::string answer = co_await answer_of(good, "one");
            CHECK(answer == "one");
            stream bad = co_await bight::connect(where);
            // One byte at a time may come, so it may not be the word; then it is an echo.
            std::string got;
            co_await bad.write("bad");
            auto first = co_await bight::as_result(bad.read_some());
            while (first && *first) {
                got += first->view();
                if (got.size() % 3 == 0) co_await bad.write("bad");
                first = co_await bight::as_result(bad.read_some());
            }
            if (on.is_tcp()) {
                CHECK(first.error() == from_errno(ECONNRESET));
            } else {
                CHECK(bool(first));
            }
            answer = co_await answer_of(good, "two");
            CHECK(answer == "two");
            co_await good.close();
            co_await on.settle();
            done = true;
        });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("a bad word"));
}

TEST_CASE("a cancelled server takes no more, lets connections end by themselves, and ends the rest") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    int greeted = 0;
    bool ended = false;
    const bight::duration drain = on.at().simulated() ? bight::duration(10s) : bight::duration(100ms);
    const auto finish_what_was_begun = [&](stream peer) -> task<> {
        co_await peer.write("hello");
        ++greeted;
        std::string last = co_await peer.read_until("\n");
        co_await peer.write("bye ", last);
    };
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            bight::serve_options options;
            options.drain = drain;
            co_await bight::when_any(bight::serve(std::move(l), options, finish_what_was_begun),
                                     on.until([&] { return greeted == 2; }));
            ended = true;
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream quick = co_await bight::connect(where);
            stream slow = co_await bight::connect(where);
            co_await on.until([&] { return greeted == 2; });
            co_await on.settle();
            CHECK_FALSE(ended);
            const auto late = co_await error_of(bight::connect(where));
            CHECK(late == from_errno(on.at().family == test::family::unix_path ? ENOENT : ECONNREFUSED));
            co_await quick.write("now\n");
            const std::string of_quick = co_await rest(quick);
            CHECK(of_quick == "hellobye now\n, end");
            const std::string of_slow = co_await rest(slow);
            CHECK(of_slow == "hello, end");
            co_await on.settle();
            CHECK(ended);
        });
}

TEST_CASE("out of descriptors: clients are turned away, or wait, and later ones are served") {
    const auto policy = GENERATE(bight::exhaustion_policy::shed, bight::exhaustion_policy::wait);
    bight::sim::world_options options;
    options.sockets_per_host = few_sockets;
    options.limit = std::chrono::hours(1);
    place_fixture on(GENERATE(from_range(test::places_of({test::family::tcp, test::family::unix_abstract}))),
                     options);
    std::string where;
    bool connected = false;
    bool exhausted = false;
    bool freed = false;
    bool done = false;
    const auto greet = [](stream peer) -> task<> { co_await peer.write("hello"); };
    const bool sheds = policy == bight::exhaustion_policy::shed;
    const auto serving = [&]() -> task<> {
        bight::serve_options how;
        how.listen.when_exhausted = policy;
        how.drain = 0s;
        listener l = bight::listen(on.new_endpoint(), how.listen);
        where = test::endpoint_to(l.local());
        co_await on.until([&] { return connected; });
        co_await on.settle();
        auto body = [&]() -> task<> {
            auto taken = take_all_descriptors();
            exhausted = true;
            co_await bight::sleep_for(250ms);
            if (sheds) co_await on.settle();
            freed = true;
            taken.clear();
            co_await on.until([&] { return done; });
        };
        co_await bight::when_any(body(), bight::serve(std::move(l), how, greet));
    };
    std::vector<std::string> seen;
    const auto clients = [&]() -> task<> {
        co_await on.until([&] { return !where.empty(); });
        std::vector<stream> waiting;
        for (int i = 0; i < 3; ++i) {
            stream s = co_await bight::connect(where);
            waiting.push_back(std::move(s));
        }
        if (sheds) co_await waiting.back().write("which nobody reads");
        connected = true;
        co_await on.until([&] { return exhausted; });
        for (stream& s : waiting) {
            const std::string got = co_await rest(s);
            seen.push_back(got + (freed ? ", after" : ", before"));
        }
        co_await on.until([&] { return freed; });
        co_await on.settle();  // an accept that failed before may still be about to be told
        stream later = co_await bight::connect(where);
        seen.push_back(co_await rest(later));
        done = true;
    };
    {
        const test::few_descriptors few(few_sockets);
        on.run(serving, clients);
    }
    const std::string turned_away = sheds ? ", end, before" : "hello, end, after";
    const std::string unheard = sheds ? ", error " + std::to_string(ECONNRESET) + ", before" : turned_away;
    CHECK(seen == std::vector<std::string>{turned_away, turned_away, unheard, "hello, end"});
    const auto log = on.take_log();
    REQUIRE(log.size() == 1);
    CHECK_THAT(log[0], Catch::Contains("cannot accept connections"));
}

TEST_CASE("max_connections: further ones wait in the backlog until one ends") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    int now = 0;
    int most = 0;
    int served = 0;
    const auto count = [&](stream peer) -> task<> {
        most = std::max(most, ++now);
        const auto chunk = co_await peer.read_some();
        (void)chunk;
        --now;
        ++served;
    };
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            bight::serve_options options;
            options.max_connections = 2;
            co_await bight::when_any(bight::serve(std::move(l), options, count),
                                     on.until([&] { return served == 5; }));
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            std::vector<stream> peers;
            for (int i = 0; i < 5; ++i) {
                stream s = co_await bight::connect(where);
                peers.push_back(std::move(s));
            }
            co_await on.settle();
            CHECK(now == 2);
            for (stream& s : peers) {
                co_await s.write("x");
                co_await on.settle();
            }
        });
    CHECK(most == 2);
    CHECK(served == 5);
}

TEST_CASE("timers fire by their deadlines, and those of one deadline in the order in which they were set") {
    place_fixture on(GENERATE(from_range(test::places_of({test::family::tcp}))));
    std::vector<int> order;
    on.run([&]() -> task<> {
        const auto now = bight::reactor::current()->now();
        const auto wait = [&](bight::duration until, int number) -> task<> {
            co_await bight::sleep_until(now + until);
            order.push_back(number);
        };
        auto all = bight::when_all(wait(9ms, 5), wait(5ms, 1), wait(5ms, 2), wait(7ms, 4), wait(5ms, 3),
                                   wait(9ms, 6));
        co_await std::move(all);
    });
    CHECK(order == std::vector<int>{1, 2, 3, 4, 5, 6});
}
