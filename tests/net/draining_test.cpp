// A connection learns that its server drains.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/places.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::stream;
using bight::task;
using namespace std::chrono_literals;

namespace {

bight::serve_options patient() {
    bight::serve_options options;
    options.drain = 1h;
    return options;
}

// A server with one protocol, which is told to end; `client(where, stop)` runs beside it.
template <class Protocol, class Client>
task<> drained(std::string endpoint, Protocol protocol, Client client) {
    bight::deferred<> stop;
    bight::listener l = bight::listen(endpoint);
    const std::string where = test::endpoint_to(l.local());
    auto until_stopped = [&]() -> task<> { co_await stop; };
    auto server = [&]() -> task<> {
        co_await bight::when_any(bight::serve(std::move(l), patient(), std::ref(protocol)), until_stopped());
    };
    co_await bight::when_all(server(), client(where, stop));
}

}  // namespace

TEST_CASE("a connection that is kept alive ends between two requests when its server drains") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    const auto family = GENERATE(from_range(test::families()));
    const test::temporary_directory directory;
    std::vector<std::string> served;
    int drained_while_idle = 0;
    auto protocol = [&](stream peer) -> task<> {
        bight::line_reader lines(peer);
        CHECK_FALSE(bight::is_draining());
        while (auto request = co_await bight::until_draining(lines.next())) {
            if (!*request) co_return;
            served.push_back(**request);
            co_await peer.write("done\r\n");
        }
        CHECK(bight::is_draining());
        ++drained_while_idle;
        co_await peer.write("bye\r\n");
    };
    auto client = [&](const std::string& where, bight::deferred<>& stop) -> task<> {
        stream idle = co_await bight::connect(where);
        stream gone = co_await bight::connect(where);
        bight::line_reader answers(idle);
        co_await idle.write("one\r\n");
        const auto first = co_await answers.next();
        CHECK(first == "done");
        co_await gone.shutdown_write();
        const auto of_the_other = co_await test::read_all(gone);
        CHECK(of_the_other == "");
        stop.set_value();
        const auto goodbye = co_await answers.next();
        CHECK(goodbye == "bye");
        const auto end = co_await answers.next();
        CHECK(end == std::nullopt);
    };
    on.run([&]() -> task<> { return drained(test::new_endpoint(family, directory), protocol, client); });
    CHECK(served == std::vector<std::string>{"one"});
    CHECK(drained_while_idle == 1);
}

TEST_CASE("a request that arrived before its server drains is answered") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    int served = 0;
    bight::deferred<> busy;
    bight::deferred<> go_on;
    auto protocol = [&](stream peer) -> task<> {
        bight::line_reader lines(peer);
        while (auto request = co_await bight::until_draining(lines.next())) {
            if (!*request) co_return;
            if (++served == 1) {
                busy.set_value();
                co_await go_on;
            }
            co_await peer.write("done " + **request + "\r\n");
        }
    };
    auto client = [&](const std::string& where, bight::deferred<>& stop) -> task<> {
        stream s = co_await bight::connect(where);
        co_await s.write("one\r\n");
        co_await busy;
        co_await s.write("two\r\nthr");  // while the server is at the first
        stop.set_value();
        for (int turn = 0; turn < 20; ++turn) co_await bight::yield();
        go_on.set_value();
        const auto answers = co_await test::read_all(s);
        CHECK(answers == "done one\r\ndone two\r\n");
    };
    on.run([&]() -> task<> { return drained("tcp:0:interface=127.0.0.1", protocol, client); });
    CHECK(served == 2);
}

TEST_CASE("a client that asks ahead is answered once more when its server drains, and then told") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    int served = 0;
    bight::deferred<> busy;
    auto protocol = [&](stream peer) -> task<> {  // as in docs/net/draining.md
        bight::line_reader lines(peer);
        while (auto request = co_await bight::until_draining(lines.next())) {
            if (!*request) co_return;
            if (++served == 10) busy.set_value();
            co_await bight::yield();
            co_await peer.write("done\r\n");
            if (bight::is_draining()) break;
        }
        co_await peer.write("bye\r\n");
    };
    auto client = [&](const std::string& where, bight::deferred<>& stop) -> task<> {
        stream s = co_await bight::connect(where);
        bool told = false;
        auto asks = [&]() -> task<> {
            while (!told) {
                const auto sent = co_await bight::as_result(s.write("please\r\n"));
                if (!sent) break;
                co_await bight::yield();
            }
        };
        auto reads = [&]() -> task<> {
            bight::line_reader answers(s);
            for (;;) {
                const auto answer = co_await bight::as_result(answers.next());
                if (!answer || !*answer) break;
                if (**answer == "bye") told = true;
            }
            CHECK(told);
            told = true;
        };
        auto stops = [&]() -> task<> {
            co_await busy;
            stop.set_value();
        };
        co_await bight::when_all(asks(), reads(), stops());
    };
    on.run([&]() -> task<> { return drained("tcp:0:interface=127.0.0.1", protocol, client); });
    CHECK(served >= 10);
}

TEST_CASE("tasks that a connection started hear of it, and the wait can be cancelled") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    int heard = 0;
    bool timed_out = false;
    auto protocol = [&](stream peer) -> task<> {
        timed_out = !co_await bight::try_with_timeout(bight::draining(), 1ms);
        co_await peer.write("waiting");
        co_await bight::with_group([&](bight::group& g) {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&]() -> task<> {
                    co_await bight::with_timeout(bight::draining(), 1h);
                    ++heard;
                });
            }
        });
        co_await bight::draining();  // at once, from now on
    };
    auto client = [&](const std::string& where, bight::deferred<>& stop) -> task<> {
        stream s = co_await bight::connect(where);
        const auto first = co_await s.read_some();
        CHECK(first.view() == "waiting");
        stop.set_value();
        const auto rest = co_await test::read_all(s);
        CHECK(rest == "");
    };
    on.run([&]() -> task<> { return drained("tcp:0:interface=127.0.0.1", protocol, client); });
    CHECK(heard == 3);
    CHECK(timed_out);
}

TEST_CASE("what until_draining awaits gives its value, its reference, its error") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    int number = 7;
    auto value = []() -> task<std::string> { co_return "value"; };
    auto nothing = []() -> task<> { co_await bight::yield(); };
    auto reference = [&]() -> task<int&> { co_return number; };
    auto error = []() -> task<> {
        co_await bight::yield();
        throw std::runtime_error("no");
    };
    bool tried = false;
    auto protocol = [&](stream) -> task<> {
        const auto text = co_await bight::until_draining(value());
        CHECK(text == "value");
        const bool ended = co_await bight::until_draining(nothing());
        CHECK(ended);
        const auto found = co_await bight::until_draining(reference());
        CHECK(found == &number);
        std::string why;
        try {
            co_await bight::until_draining(error());
        } catch (const std::runtime_error& e) {
            why = e.what();
        }
        CHECK(why == "no");
        const auto given_up =
            co_await bight::try_with_timeout(bight::until_draining(bight::sleep_for(1h)), 1ms);
        CHECK_FALSE(given_up.has_value());
        tried = true;
        const bool slept = co_await bight::until_draining(bight::sleep_for(1h));
        CHECK_FALSE(slept);
        const auto fired = co_await bight::until_draining(bight::deferred<int>());
        CHECK(fired == std::nullopt);
    };
    auto client = [&](const std::string& where, bight::deferred<>& stop) -> task<> {
        stream s = co_await bight::connect(where);
        while (!tried) co_await bight::sleep_for(1ms);
        stop.set_value();
        const auto rest = co_await test::read_all(s);
        CHECK(rest == "");
    };
    on.run([&]() -> task<> { return drained("tcp:0:interface=127.0.0.1", protocol, client); });
}

TEST_CASE("outside of a server nothing drains") {
    CHECK_FALSE(bight::is_draining());
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    on.run([]() -> task<> {
        CHECK_FALSE(bight::is_draining());
        const bool in_time = co_await bight::try_with_timeout(bight::draining(), 1ms);
        CHECK_FALSE(in_time);
        const bool yielded = co_await bight::until_draining(bight::yield());
        CHECK(yielded);
        const auto ended = co_await bight::try_with_timeout(bight::until_draining(bight::sleep_for(1h)), 1ms);
        CHECK_FALSE(ended.has_value());
    });
}

TEST_CASE("a connection that fails while its server drains ends no other") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    int begun = 0;
    int draining = 0;
    auto fragile = [&](stream peer) -> task<> {
        ++begun;
        co_await bight::draining();
        ++draining;
        const auto chunk = co_await peer.read_some();
        if (chunk.view() == "fail") throw std::runtime_error("failed in the drain");
        co_await peer.write(chunk);
    };
    auto client = [&](const std::string& where, bight::deferred<>& stop) -> task<> {
        stream good = co_await bight::connect(where);
        stream bad = co_await bight::connect(where);
        while (begun < 2) co_await bight::yield();
        stop.set_value();
        while (draining < 2) co_await bight::sleep_for(1ms);
        co_await bad.write("fail");
        const auto error = co_await test::error_of(bad.read_some());
        CHECK(error == test::from_errno(ECONNRESET));
        co_await good.write("still here");
        const std::string all = co_await test::read_all(good);
        CHECK(all == "still here");
    };
    on.run([&] { return drained("tcp:0:interface=127.0.0.1", fragile, client); });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("failed in the drain"));
}
