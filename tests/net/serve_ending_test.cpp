// What a server's connections still have to say when their protocols have returned, and how long they may
// take.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

using bight::serve_options;
using bight::stream;
using bight::task;
using namespace std::chrono_literals;

namespace {

// More than the sockets of a connection ever take.
const std::string& too_much() {
    static const std::string text(24 << 20, 'x');
    return text;
}

// Leaves it to an outbox, and returns.
task<> says_and_goes(stream peer) {
    bight::outbox out(peer);
    out.send(too_much());
    co_return;
}

}  // namespace

TEST_CASE("a connection whose protocol has returned keeps its place until it has said all, or its deadline") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto deadline = GENERATE(bight::duration(3s), bight::duration(40s));
    CAPTURE(kind, deadline);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        serve_options options;
        options.max_connections = 1;
        options.close_deadline = deadline;
        options.drain = 0s;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = l.local();
        std::vector<bight::duration> begun;
        auto protocol = [&](stream peer) -> task<> {
            begun.push_back(on.elapsed());
            co_await says_and_goes(std::move(peer));
        };
        auto clients = [&]() -> task<> {
            const auto never_reads = test::raw_connect(where);
            const auto waits = test::raw_connect(where);
            while (begun.size() < 2) co_await bight::sleep_for(100ms);
        };
        co_await bight::when_any(clients(), bight::serve(std::move(l), options, protocol));
        REQUIRE(begun.size() == 2);
        CHECK(begun[1] - begun[0] == deadline);
    });
    CHECK(on.take_log().size() >= 1);  // that the first peer did not take what was to be sent
}

TEST_CASE("the drain of a server bounds the closes that are under way, and those that begin after it") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool returns_late = GENERATE(false, true);
    CAPTURE(kind, returns_late);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        serve_options options;
        options.close_deadline = 1h;
        options.drain = 7s;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = l.local();
        bool begun = false;
        auto protocol = [&](stream peer) -> task<> {
            begun = true;
            bight::outbox out(peer);
            out.send(too_much());
            if (returns_late) co_await bight::shield(bight::sleep_for(8s), 1h);
        };
        const auto never_reads = test::raw_connect(where);
        auto body = [&]() -> task<> {
            while (!begun) co_await bight::yield();
        };
        co_await bight::when_any(body(), bight::serve(std::move(l), options, protocol));
        CHECK(on.elapsed() == (returns_late ? bight::duration(8s) : bight::duration(7s)));
    });
    on.take_log();
}

TEST_CASE("a connection that has said all makes room when others wait, or when its server drains") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool full = GENERATE(false, true);
    const bool closes = GENERATE(false, true);
    CAPTURE(kind, full, closes);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        serve_options options;
        options.close_deadline = 1h;
        options.drain = 1h;
        if (full) options.max_connections = 1;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = l.local();
        int begun = 0;
        auto protocol = [&](stream peer) -> task<> {
            ++begun;
            co_await peer.write("bye");
            if (closes) co_await peer.close(1h);
        };
        const auto stays = test::raw_connect(where);  // has its answer, and does not end its side
        auto body = [&]() -> task<> {
            while (begun == 0) co_await bight::yield();
            co_await bight::sleep_for(1s);
            if (!full) co_return;
            const auto next = test::raw_connect(where);
            while (begun == 1) co_await bight::sleep_for(1ms);
        };
        co_await bight::when_any(body(), bight::serve(std::move(l), options, protocol));
        CHECK(on.elapsed() < 1min);
    });
}

TEST_CASE("a connection that has said all before its server is full makes room once it is") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        serve_options options;
        options.close_deadline = 1h;
        options.drain = 0s;
        options.max_connections = 2;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = l.local();
        int begun = 0;
        auto protocol = [&](stream peer) -> task<> {
            const int number = ++begun;
            co_await peer.write("bye");
            if (number != 2) co_return;
            const auto end = co_await bight::as_result(peer.read_some());
        };
        const auto stays = test::raw_connect(where);  // has its answer, and does not end its side
        auto body = [&]() -> task<> {
            while (begun == 0) co_await bight::yield();
            co_await bight::sleep_for(1s);
            const auto talks = test::raw_connect(where);
            while (begun == 1) co_await bight::sleep_for(1ms);
            const auto next = test::raw_connect(where);
            while (begun == 2) co_await bight::sleep_for(1ms);
        };
        co_await bight::when_any(body(), bight::serve(std::move(l), options, protocol));
        CHECK(on.elapsed() < 1min);
    });
}

TEST_CASE("a connection that its protocol has closed counts until it is gone, like one that was dropped") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool closes = GENERATE(false, true);
    CAPTURE(kind, closes);
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        serve_options options;
        options.close_deadline = 1h;
        options.drain = 0s;
        options.max_connections = 2;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = l.local();
        const auto descriptors = [] { return bight::reactor::current()->statistics().live_descriptors; };
        const auto before = descriptors();  // the listener's
        int begun = 0;
        auto protocol = [&](stream peer) -> task<> {
            CHECK(descriptors() <= before + 2);
            ++begun;
            co_await peer.write("bye");
            if (closes) co_await peer.close(1h);
        };
        std::vector<test::raw_socket> stay;  // and never end their sides
        auto clients = [&]() -> task<> {
            for (int i = 0; i < 20; ++i) {
                stay.push_back(test::raw_connect(where));
                while (begun <= i) co_await bight::sleep_for(1ms);
            }
        };
        co_await bight::when_any(clients(), bight::serve(std::move(l), options, protocol));
        CHECK(descriptors() == 0);
    });
}

TEST_CASE("a connection that another task closes is that task's, and keeps no place in its server") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        serve_options options;
        options.max_connections = 1;
        options.drain = 0s;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = l.local();
        int begun = 0;
        int gave_up = 0;
        auto says_and_closes = [&](stream mine) -> task<> {
            bight::outbox out(mine);
            out.send(too_much());
            const auto closed = co_await test::error_of(mine.close(1h));
            CHECK(closed == bight::errc::timed_out);
            ++gave_up;
        };
        auto closers = [&](bight::group& g) -> task<> {
            auto protocol = [&](stream peer) -> task<> {
                g.spawn(says_and_closes, std::move(peer));
                ++begun;
                co_await bight::yield();
            };
            const auto never_reads = test::raw_connect(where);
            const auto neither = test::raw_connect(where);
            auto clients = [&]() -> task<> {
                while (begun < 2) co_await bight::sleep_for(1ms);
            };
            co_await bight::when_any(clients(), bight::serve(std::move(l), options, protocol));
            CHECK(on.elapsed() < 1h);
            while (gave_up < 2) co_await bight::sleep_for(1min);
        };
        co_await bight::with_group(closers);
    });
}
