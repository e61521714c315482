// One address for all the reactors of a runtime: how connections are spread, and how it ends.
#include <bight/net/sharded_listener.hpp>

#include "sharded.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <bight/bight.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using bight::serve_options;
using bight::sharded_listener;
using bight::sharding;
using bight::stream;
using bight::task;
using test::echo;
using test::first_byte;
using test::loopback;
using test::names_reactor;
using test::quick_drain;
using test::runtime_fixture;
using test::spread;
using namespace std::chrono_literals;

TEST_CASE("all connections are served, by more than one reactor, at one port that the system chose") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(from_range(test::shardings()));
    runtime_fixture on(kind, 3);
    sharded_listener where(on.runtime(), loopback, spread(how));
    CHECK(where.sharding() == how);
    REQUIRE(where.local().port() != 0);
    std::array<std::atomic<int>, 3> served{};
    auto root = [&](std::size_t i) -> task<> {
        auto count = [&served, i](stream peer) -> task<> {
            ++served[i];
            co_await echo(std::move(peer));
        };
        co_await bight::serve(where.listen(), quick_drain(), count);
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    const auto most = [&] { return std::max({served[0].load(), served[1].load(), served[2].load()}); };
    // Until a reactor listens there is nobody to connect to; the others may begin later.
    int made = 0;
    for (int i = 0; i < 60 || (most() == i && i < 20000); made = ++i) {
        test::raw_socket s;
        while (s.get() < 0) {
            try {
                s = test::raw_connect(where.local());
            } catch (const std::system_error& e) {
                if (i > 0 || e.code().value() != ECONNREFUSED) throw;
            }
        }
        const std::string text = test::pattern(static_cast<std::size_t>(i), 1000);
        s.send(text);
        ::shutdown(s.get(), SHUT_WR);
        REQUIRE((s.receive_all() == text));
    }
    on.runtime().stop();
    CHECK(running.wait() == 1);
    CHECK(served[0] + served[1] + served[2] == made);
    CHECK(most() < made);
}

TEST_CASE("serve_on gives each reactor its own copy of the protocol, and what is bound") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::families()));
    CAPTURE(kind, family);
    runtime_fixture on(kind, 2);
    const test::temporary_directory directory;
    std::string endpoint = test::new_endpoint(family, directory);
    if (test::is_tcp(family)) {  // serve_on does not say which port it got
        runtime_fixture other(kind, 1);
        const sharded_listener free(other.runtime(), endpoint);
        const std::string port = std::to_string(free.local().port());
        endpoint.replace(endpoint.find(":0:"), 3, ":" + port + ":");
    }
    std::atomic<int> greeted{0};
    auto greet = [n = 0](std::atomic<int>& count, const std::string& text, stream peer) mutable -> task<> {
        if (++n > 0) ++count;  // n is this reactor's alone
        co_await peer.write(text);
        co_await peer.read_some();
    };
    runtime_fixture::background running(on.runtime(), [&] {
        return bight::serve_on(on.runtime(), endpoint, quick_drain(), greet, std::ref(greeted),
                               std::string("hello"));
    });
    bight::reactor mine;
    auto client = [&]() -> task<> {
        const auto parsed = bight::endpoint::parse(endpoint);
        const std::string to =
            test::is_tcp(family)
                ? (parsed.kind == bight::endpoint::kind_type::tcp6 ? "tcp6:\\:\\:1:" : "tcp:127.0.0.1:") +
                      std::to_string(parsed.port)
                : endpoint;
        for (int i = 0; i < 10;) {
            auto s = co_await bight::as_result(bight::connect(to));
            if (!s && i == 0) continue;  // it does not listen yet
            REQUIRE(s);
            const auto chunk = co_await s->read_some();
            CHECK(chunk.view() == "hello");
            ++i;
        }
    };
    mine.run(client());
    on.runtime().stop();
    CHECK(running.wait() == 1);
    CHECK(greeted == 10);
}

TEST_CASE("an address that cannot be had is known before anything runs") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 3);
    const auto error_for = [&](const std::string& where, sharding how = sharding::automatic) {
        try {
            const sharded_listener l(on.runtime(), where, spread(how));
            return std::error_code();
        } catch (const std::system_error& e) {
            return e.code();
        }
    };
    const test::raw_socket first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto at = bight::address::from_ip("127.0.0.1", 0);
    REQUIRE(::bind(first.get(), static_cast<const sockaddr*>(at.native()),
                   static_cast<socklen_t>(at.native_size())) == 0);
    REQUIRE(::listen(first.get(), 1) == 0);
    socklen_t size = sizeof(sockaddr_storage);
    sockaddr_storage bound{};
    REQUIRE(::getsockname(first.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
    at = bight::address::from_native(&bound, size);
    const std::string taken = "tcp:" + std::to_string(at.port()) + ":interface=127.0.0.1";
    CHECK(error_for("nonsense") == bight::errc::bad_endpoint);
    CHECK(error_for("tcp:0:interface=192.0.2.1") == test::from_errno(EADDRNOTAVAIL));
    if (!test::no_unix_sockets()) {
        CHECK(error_for("unix:/nonexistent-directory/socket") == test::from_errno(ENOENT));
        CHECK(error_for("unix:@bight-sharded", sharding::reuse_port) == std::errc::operation_not_supported);
    }
    CHECK(error_for(taken, sharding::hand_over) == test::from_errno(EADDRINUSE));
    if (test::has_reuse_port()) {
        CHECK(error_for(taken, sharding::reuse_port) == test::from_errno(EADDRINUSE));
        // The other did not say so.
        CHECK(error_for(taken + ":reuse_port=yes") == test::from_errno(EADDRINUSE));
    }

    CHECK(bight::serve_on(on.runtime(), "tcp:0:interface=192.0.2.1", echo) == 1);
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("bight::serve_on") && Catch::Contains("192.0.2.1"));
}

TEST_CASE("an address that is listened at is refused, unless the endpoint says reuse_port") {
    if (!test::has_reuse_port()) test::skip("this system has no SO_REUSEPORT");
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 2);
    sharded_listener first(on.runtime(), loopback, spread(sharding::reuse_port));
    const std::string taken = "tcp:" + std::to_string(first.local().port()) + ":interface=127.0.0.1";
    auto root = [&]() -> task<int> {
        const bight::listener mine = first.listen();
        int failures = 0;
        try {
            const sharded_listener second(on.runtime(), taken, spread(sharding::reuse_port));
            failures += 1;
        } catch (const std::system_error& e) {
            if (e.code() != test::from_errno(EADDRINUSE)) failures += 10;
        }
        const sharded_listener allowed(on.runtime(), taken + ":reuse_port=yes");
        if (allowed.local() != first.local()) failures += 100;
        co_return failures;
    };
    CHECK(on.runtime().run(root) == 0);
}

TEST_CASE("a failure of one reactor's server stops all, with its error") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(from_range(test::shardings()));
    runtime_fixture on(kind, 3);
    sharded_listener where(on.runtime(), loopback, spread(how));
    auto root = [&](std::size_t i) -> task<> {
        bight::listener l = where.listen();
        if (i == 1) {
            const bight::listener other = bight::listen(loopback);
            const bight::listener again =
                bight::listen("tcp:" + std::to_string(other.local().port()) + ":interface=127.0.0.1");
        }
        co_await bight::serve(std::move(l), quick_drain(), echo);
    };
    CHECK(on.runtime().run(root) == 1);
    const auto errors = on.take_errors();
    for (const auto& error : errors) UNSCOPED_INFO(error);
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("the task of reactor 1") && Catch::Contains("cannot bind"));
}

TEST_CASE("a stop during load leaves nothing, and every client sees an end") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(from_range(test::shardings()));
    CAPTURE(kind);
    runtime_fixture on(kind, 2);
    {
        sharded_listener where(on.runtime(), loopback, spread(how));
        std::atomic<int> listening{0};
        std::atomic<int> exchanges{0};
        auto root = [&]() -> task<> {
            bight::listener l = where.listen();
            ++listening;
            co_await bight::serve(std::move(l), quick_drain(), echo);
        };
        runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
        while (listening < 2) std::this_thread::yield();
        auto client = [&] {
            try {
                for (;;) {
                    const test::raw_socket s = test::raw_connect(where.local());
                    for (int i = 0; i < 5; ++i) {
                        s.send("x");
                        if (first_byte(s) != 'x') break;
                        ++exchanges;
                    }
                }
            } catch (const std::system_error&) {  // refused, or reset
            }
        };
        std::array<std::thread, 3> clients;
        for (auto& t : clients) t = std::thread(client);
        while (exchanges < 200) std::this_thread::yield();
        on.runtime().stop();
        CHECK(running.wait() == 1);
        for (auto& t : clients) t.join();
        for (const auto& text : on.take_errors()) CHECK_THAT(text, Catch::Contains("onnection"));
    }
    on.finish();
}

TEST_CASE("each reactor drains: a conversation that has begun is finished") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(from_range(test::shardings()));
    runtime_fixture on(kind, 2);
    sharded_listener where(on.runtime(), loopback, spread(how));
    serve_options patient;
    patient.drain = 1h;
    std::atomic<int> listening{0};
    std::atomic<int> begun{0};
    auto slow = [&](stream peer) -> task<> {
        ++begun;
        const auto chunk = co_await peer.read_some();
        co_await peer.write(chunk);
        co_await peer.write(" and goodbye");
    };
    auto root = [&]() -> task<> {
        bight::listener l = where.listen();
        ++listening;
        co_await bight::serve(std::move(l), patient, slow);
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    while (listening < 2) std::this_thread::yield();
    std::vector<test::raw_socket> clients;
    for (int i = 0; i < 8; ++i) clients.push_back(test::raw_connect(where.local()));
    while (begun < 8) std::this_thread::yield();
    on.runtime().stop();
    for (;;) {  // until nobody listens
        try {
            const test::raw_socket late = test::raw_connect(where.local());
        } catch (const std::system_error&) {
            break;
        }
    }
    for (auto& s : clients) {
        s.send("hello");
        CHECK(s.receive_all() == "hello and goodbye");
    }
    CHECK(running.wait() == 1);
    const int refused_or_begun = begun;
    CHECK(refused_or_begun >= 8);
}

TEST_CASE("a second run serves at the same address") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(from_range(test::shardings()));
    runtime_fixture on(kind, 2);
    sharded_listener where(on.runtime(), loopback, spread(how));
    for (int round = 0; round < 2; ++round) {
        std::atomic<int> listening{0};
        const names_reactor protocol{on.runtime()};
        auto root = [&]() -> task<> {
            bight::listener l = where.listen();
            ++listening;
            co_await bight::serve(std::move(l), quick_drain(), protocol);
        };
        runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
        while (listening < 2) std::this_thread::yield();
        for (int i = 0; i < 5; ++i) {
            const test::raw_socket s = test::raw_connect(where.local());
            CHECK(first_byte(s) != '\0');
        }
        on.runtime().stop();
        CHECK(running.wait() == 1);
    }
}
