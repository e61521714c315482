// serve: one coroutine for each connection, and how it begins, fails, drains and ends.
#include <bight/net/serve.hpp>

#include "serving.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/echo.hpp"
#include "support/many_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

using bight::serve;
using bight::serve_options;
using bight::stream;
using bight::task;
using test::beside_server;
using test::echo;
using test::error_of;
using test::from_errno;
using test::quick_drain;

namespace {

struct counted {
    explicit counted(int& n) : number(n) { ++number; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --number; }
    int& number;
};

}  // namespace

TEST_CASE("an echo server on each family") {
    const auto kind = GENERATE(from_range(test::reactors()));
    const auto family = GENERATE(from_range(test::families()));
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen(test::new_endpoint(family, directory));
        const std::string where = test::endpoint_to(l.local());
        auto clients = [&]() -> task<> {
            for (int i = 0; i < 5; ++i) {
                stream s = co_await bight::connect(where);
                const std::string text = test::pattern(static_cast<std::size_t>(i), 100000);
                auto write = [&]() -> task<> {
                    co_await s.write(text);
                    co_await s.shutdown_write();
                };
                const auto [nothing, all] = co_await bight::when_all(write(), test::read_all(s));
                (void)nothing;
                CHECK((all == text));
            }
        };
        co_await bight::when_any(clients(), serve(std::move(l), serve_options{}, echo));
    });
}

TEST_CASE("what is bound is given to each connection, before the stream") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        int connections = 0;
        auto count = [](int& n, const std::string& greeting, stream peer) -> task<> {
            ++n;
            co_await peer.write(greeting);
        };
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string where = test::endpoint_to(l.local());
        auto clients = [&]() -> task<> {
            for (int i = 0; i < 3; ++i) {
                stream s = co_await bight::connect(where);
                const std::string all = co_await test::read_all(s);
                CHECK(all == "hello");
            }
        };
        co_await bight::when_any(clients(), serve(std::move(l), serve_options{}, count, std::ref(connections),
                                                  std::string("hello")));
        CHECK(connections == 3);
    });
}

TEST_CASE("a listener is served without options") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([&]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string where = test::endpoint_to(l.local());
        auto client = [&]() -> task<std::string> {
            stream s = co_await bight::connect(where);
            co_return co_await test::read_all(s);
        };
        auto greet = [](const std::string& greeting, stream peer) -> task<> {
            co_await peer.write(greeting);
        };
        auto got = co_await bight::when_any(client(), serve(std::move(l), greet, std::string("hello")));
        REQUIRE(got.index == 0);
        CHECK(std::get<0>(got.values) == "hello");
    });
}

TEST_CASE("an exception of one connection resets that one only, and is reported with its name") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    std::string name;
    on.run([&]() -> task<> {
        auto fragile = [](stream peer) -> task<> {
            while (auto chunk = co_await peer.read_some()) {
                if (chunk.view() == "fail") throw std::runtime_error("the protocol failed");
                co_await peer.write(chunk);
            }
        };
        auto body = [&](const std::string& where) -> task<> {
            stream good = co_await bight::connect(where);
            stream bad = co_await bight::connect(where);
            co_await good.write("one");
            const auto one = co_await good.read_some();
            CHECK(one.view() == "one");
            name = bad.local().to_string();
            co_await bad.write("fail");
            const auto error = co_await error_of(bad.read_some());
            CHECK(error == from_errno(ECONNRESET));
            co_await good.write("two");
            const auto two = co_await good.read_some();
            CHECK(two.view() == "two");
            stream later = co_await bight::connect(where);
            co_await later.write("three");
            const auto three = co_await later.read_some();
            CHECK(three.view() == "three");
        };
        co_await beside_server(quick_drain(), fragile, body);
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0],
               Catch::Contains("the protocol failed") && Catch::Contains("connection 2 from " + name));
}

TEST_CASE("a peer that resets is reported by its name, and the server goes on") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    std::string name;
    on.run([&]() -> task<> {
        auto body = [&](const std::string& where) -> task<> {
            stream rude = co_await bight::connect(where);
            name = rude.local().to_string();
            co_await rude.write("x");
            const auto echoed = co_await rude.read_some();
            CHECK(echoed.view() == "x");
            rude.abort();
            stream good = co_await bight::connect(where);
            co_await good.write("y");
            const auto chunk = co_await good.read_some();
            CHECK(chunk.view() == "y");
        };
        co_await beside_server(quick_drain(), echo, body);
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("connection 1 from " + name));
    CHECK(on.reactor().statistics().peers_gone == 1);
}

namespace {

/// An error of a program's own type, with a code that says that the peer went away.
struct told_by_the_program : std::system_error {
    told_by_the_program() : std::system_error(std::make_error_code(std::errc::connection_reset)) {}
};

}  // namespace

TEST_CASE("the report of a connection says whether its peer went away, and these are counted") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    std::vector<bool> gone;
    bight::set_error_handler(
        [](const bight::error_report& report, void* to) {
            static_cast<std::vector<bool>*>(to)->push_back(report.peer_went_away);
        },
        &gone);
    on.run([&]() -> task<> {
        auto protocol = [](stream peer) -> task<> {
            const auto got = co_await peer.read_some();
            if (got.view() == "x") throw std::runtime_error("a bug of the server");
            if (got.view() == "z") throw told_by_the_program();
            co_await peer.write(got);
            (void)co_await peer.read_some();
        };
        auto body = [&](const std::string& where) -> task<> {
            for (const std::string_view word : {"x", "y", "z", "y"}) {
                stream s = co_await bight::connect(where);
                co_await s.write(word);
                (void)co_await bight::as_result(s.read_some());
                s.abort();
            }
            stream good = co_await bight::connect(where);
            co_await good.write("y");
            (void)co_await good.read_some();
            co_await good.close();
        };
        co_await beside_server(quick_drain(), protocol, body);
    });
    CHECK(gone == std::vector<bool>{false, true, true, true});
    CHECK(on.reactor().statistics().peers_gone == 3);
}

TEST_CASE("a protocol that returns ends its connection in good order") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const std::string text = test::pattern(0, 1U << 20);
        auto once = [&](stream peer) -> task<> {
            char one = 0;
            co_await peer.read_some(bight::mutable_buffer(&one, 1));
            co_await peer.write(text);
        };
        auto body = [&](const std::string& where) -> task<> {
            stream s = co_await bight::connect(where);
            co_await s.write("bytes that nobody reads");
            const std::string all = co_await test::read_all(s);
            CHECK((all == text));
        };
        co_await beside_server(serve_options{}, once, body);
    });
}

TEST_CASE("a cancelled server drains first") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        serve_options patient;
        patient.drain = std::chrono::hours(1);
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string where = test::endpoint_to(l.local());
        bool returned = false;
        bight::deferred<> begun;
        bight::deferred<> stop;
        auto greets = [&](stream peer) -> task<> {
            begun.set_value();
            const auto chunk = co_await peer.read_some();
            co_await peer.write(chunk);
            co_await peer.write(" and goodbye");
        };
        auto server = [&]() -> task<> {
            auto until_stopped = [&]() -> task<> { co_await stop; };
            co_await bight::when_any(serve(std::move(l), patient, greets), until_stopped());
            returned = true;
        };
        auto client = [&]() -> task<> {
            stream s = co_await bight::connect(where);
            co_await begun;
            stop.set_value();
            std::error_code
                refused;  // no longer listening: a wait that is cancelled may take a moment to end
            for (int tries = 0; tries < 200 && !refused; ++tries) {
                co_await bight::sleep_for(std::chrono::milliseconds(1));
                refused = co_await error_of(bight::connect(where));
            }
            CHECK(refused == from_errno(ECONNREFUSED));
            CHECK_FALSE(returned);
            co_await s.write("hello");
            const std::string all = co_await test::read_all(s);
            CHECK(all == "hello and goodbye");
        };
        co_await bight::when_all(server(), client());
        CHECK(returned);
    });
}

TEST_CASE("after the drain, connections are cancelled, and serve returns when their locals are gone") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        int alive = 0;
        int most = 0;
        auto stays = [&](stream peer) -> task<> {
            const counted here(alive);
            most = std::max(most, alive);
            co_await peer.write("x");
            co_await peer.read_some();
        };
        std::vector<stream> clients;
        auto body = [&](const std::string& where) -> task<> {
            for (int i = 0; i < 10; ++i) {
                stream s = co_await bight::connect(where);
                const auto chunk = co_await s.read_some();
                CHECK(chunk.view() == "x");
                clients.push_back(std::move(s));
            }
        };
        co_await beside_server(quick_drain(), stays, body);
        CHECK(most == 10);
        CHECK(alive == 0);
        for (auto& s : clients) {
            const std::string all = co_await test::read_all(s);
            CHECK(all.empty());
        }
    });
}

TEST_CASE("stopping without patience skips the drain") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    int alive = 0;
    auto run = [&]() -> task<> {
        serve_options patient;
        patient.drain = std::chrono::hours(1);
        auto stays = [&](stream peer) -> task<> {
            const counted here(alive);
            on.reactor().stop_now();
            co_await peer.read_some();
        };
        auto body = [&](const std::string& where) -> task<> {
            stream s = co_await bight::connect(where);
            co_await s.read_some();
            co_await bight::sleep_for(std::chrono::hours(1));
        };
        co_await beside_server(patient, stays, body);
    };
    CHECK_THROWS_AS(on.run(run()), bight::run_cancelled);
    CHECK(alive == 0);
}

TEST_CASE("max_connections: further ones wait in the backlog until one ends") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        serve_options options = quick_drain();
        options.max_connections = 2;
        int alive = 0;
        int most = 0;
        int total = 0;
        auto count = [&](stream peer) -> task<> {
            const counted here(alive);
            most = std::max(most, alive);
            ++total;
            co_await peer.write("x");
            co_await peer.read_some();
        };
        auto body = [&](const std::string& where) -> task<> {
            auto client = [&]() -> task<> {
                stream s = co_await bight::connect(where);
                const auto chunk = co_await s.read_some();
                CHECK(chunk.view() == "x");
                for (int turn = 0; turn < 5; ++turn) co_await bight::yield();
            };
            co_await bight::with_group([&](bight::group& g) {
                for (int i = 0; i < 10; ++i) g.spawn(client);
            });
        };
        co_await beside_server(options, count, body);
        CHECK(total == 10);
        CHECK(most == 2);
        CHECK(alive == 0);
    });
}

TEST_CASE("a protocol that cannot even begin is reported, and its connection ended") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        int calls = 0;
        auto throws = [&](stream peer) -> task<> {  // not a coroutine
            if (++calls == 1) throw std::runtime_error("no beginning");
            return echo(std::move(peer));
        };
        auto body = [&](const std::string& where) -> task<> {
            auto first = co_await bight::as_result(bight::connect(where));
            std::error_code end = first.error();  // the reset may come before the connection is seen
            if (first) {
                const auto got = co_await bight::as_result(first->read_some());
                end = got.error();
            }
            CHECK(end == from_errno(ECONNRESET));  // no end that looks regular
            stream second = co_await bight::connect(where);
            co_await second.write("x");
            const auto chunk = co_await second.read_some();
            CHECK(chunk.view() == "x");
        };
        co_await beside_server(quick_drain(), throws, body);
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("no beginning"));
}

TEST_CASE("serve throws what listen throws") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const auto taken = co_await error_of(
            serve("tcp:" + std::to_string(l.local().port()) + ":interface=127.0.0.1", echo));
        CHECK(taken == from_errno(EADDRINUSE));
        const auto bad = co_await error_of(serve("nonsense", echo));
        CHECK(bad == bight::errc::bad_endpoint);
    });
}

TEST_CASE("a thousand connections at a time") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const test::many_descriptors room(4096);
    // Both ends are in this process; select ends at 1,024 descriptors, and an event costs wfmo the more, the
    // more sockets there are.
    const bool few = kind == bight::demultiplexer_kind::select || kind == bight::demultiplexer_kind::wfmo;
    const std::size_t count = few ? 400 : 1000;
    test::reactor_fixture on(kind);
    on.run(
        [&]() -> task<> {
            std::vector<stream> clients;
            auto body = [&](const std::string& where) -> task<> {
                for (std::size_t i = 0; i < count; ++i) {
                    stream s = co_await bight::connect(where);
                    clients.push_back(std::move(s));
                }
                for (std::size_t i = 0; i < count; ++i) {
                    const std::string text = test::pattern(i, 20);
                    co_await clients[i].write(text);
                }
                for (std::size_t i = 0; i < count; ++i) {
                    std::string text(20, '\0');
                    co_await clients[i].read_exactly(text);
                    CHECK((text == test::pattern(i, 20)));
                }
            };
            co_await beside_server(quick_drain(), echo, body);
        },
        std::chrono::seconds(120));
}
