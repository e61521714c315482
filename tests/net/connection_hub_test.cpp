// One reactor accepts for all: who gets what comes in, and when it is closed.
#include <bight/net/sharded_listener.hpp>

#include "sharded.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/listen_no_more.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <bight/bight.hpp>

#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bight::sharded_listener;
using bight::sharding;
using bight::stream;
using bight::task;
using test::first_byte;
using test::loopback;
using test::names_reactor;
using test::quick_drain;
using test::runtime_fixture;
using test::says_something;
using test::spread;
using namespace std::chrono_literals;

TEST_CASE("handed over, connections go to the reactors in turn") {
    runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    sharded_listener where(on.runtime(), loopback, spread(sharding::hand_over));
    std::atomic<int> listening{0};
    const names_reactor protocol{on.runtime()};
    auto root = [&]() -> task<> {
        bight::listener mine = where.listen();
        const bool same = mine.local() == where.local();
        if (!same || mine.native_handle() != -1) throw std::logic_error("another address");
        ++listening;
        co_await bight::serve(std::move(mine), quick_drain(), protocol);
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    while (listening < 3) std::this_thread::yield();
    std::string order;
    for (int i = 0; i < 9; ++i) {
        const test::raw_socket s = test::raw_connect(where.local());
        order += first_byte(s);
    }
    on.runtime().stop();
    CHECK(running.wait() == 1);
    CHECK(order.substr(0, 3) == order.substr(3, 3));
    CHECK(order.substr(0, 3) == order.substr(6, 3));
    for (const char name : {'0', '1', '2'}) CHECK(order.find(name) < 3);
}

TEST_CASE("Unix sockets are handed over, and the file goes at the end, served or not") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 2);
    const test::temporary_directory directory;
    const std::string path = directory.file("socket");
    const auto address = bight::address::from_path(path);
    {
        const sharded_listener unused(on.runtime(), "unix:" + test::escaped(path));
        CHECK(unused.sharding() == sharding::hand_over);
        CHECK(::access(path.c_str(), F_OK) == 0);
    }
    CHECK(::access(path.c_str(), F_OK) != 0);
    sharded_listener where(on.runtime(), "unix:" + test::escaped(path));
    std::atomic<int> listening{0};
    const names_reactor protocol{on.runtime()};
    auto root = [&]() -> task<> {
        bight::listener l = where.listen();
        ++listening;
        co_await bight::serve(std::move(l), quick_drain(), protocol);
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    while (listening < 2) std::this_thread::yield();
    std::string order;
    for (int i = 0; i < 4; ++i) order += first_byte(test::raw_connect(address));
    on.runtime().stop();
    CHECK(running.wait() == 1);
    CHECK((order == "0101" || order == "1010"));
    CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("handed over: who opens a listener while the last one closes gets it, on any reactor") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 3);
    sharded_listener where(on.runtime(), loopback, spread(sharding::hand_over));
    SECTION("at once, on the same reactor") {
        auto root = [&](std::size_t i) -> task<> {
            if (i != 0) co_return;
            where.listen().close();
            bight::listener again = where.listen();
            const test::raw_socket s = test::raw_connect(where.local());
            const stream peer = co_await again.accept();
        };
        CHECK(on.runtime().run(root) == 0);
    }
    SECTION("while others do the same") {
        auto root = [&]() -> task<> {
            for (int round = 0; round < 300; ++round) {
                bight::listener mine = where.listen();
                if (round % 3 == 0) co_await bight::yield();
                mine.close();
                if (round % 5 == 0) co_await bight::yield();
            }
        };
        CHECK(on.runtime().run(root) == 0);
    }
    SECTION("and then it is closed") {
        auto root = [&]() -> task<> {
            const bight::listener mine = where.listen();
            co_await bight::yield();
        };
        CHECK(on.runtime().run(root) == 0);
        CHECK_THROWS_AS(test::raw_connect(where.local()), std::system_error);
    }
}

TEST_CASE("handed over: a listener that opens while all others are full gets what waits") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 2);
    sharded_listener where(on.runtime(), loopback, spread(sharding::hand_over));
    std::atomic<bool> full{false};
    std::atomic<bool> got{false};
    auto root = [&](std::size_t i) -> task<> {
        if (i == 0) {
            const bight::listener mine = where.listen();  // accepts nothing
            std::vector<test::raw_socket> clients;
            for (int n = 0; n < 40; ++n) clients.push_back(test::raw_connect(where.local()));
            for (int n = 0; n < 1000; ++n) co_await bight::yield();  // it takes 16, each in a turn or two
            full = true;
            while (!got) co_await bight::sleep_for(1ms);
        } else {
            while (!full) co_await bight::sleep_for(1ms);
            bight::listener mine = where.listen();
            const stream peer = co_await mine.accept();
            got = true;
        }
    };
    CHECK(on.runtime().run(root) == 0);
}

TEST_CASE("handed over, a reactor that does not accept holds back no more than its share") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 2);
    sharded_listener where(on.runtime(), loopback, spread(sharding::hand_over));
    std::atomic<int> listening{0};
    std::atomic<bool> accept{false};
    const names_reactor protocol{on.runtime()};
    auto root = [&](std::size_t i) -> task<> {
        bight::listener l = where.listen();
        ++listening;
        while (i == 0 && !accept) co_await bight::sleep_for(1ms);
        co_await bight::serve(std::move(l), quick_drain(), protocol);
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    while (listening < 2) std::this_thread::yield();
    std::vector<test::raw_socket> clients;
    for (int i = 0; i < 60; ++i) clients.push_back(test::raw_connect(where.local()));
    int by_second = 0;
    for (int i = 59; by_second < 44; i = i > 0 ? i - 1 : 59) {
        if (!clients[static_cast<std::size_t>(i)].get() ||
            !says_something(clients[static_cast<std::size_t>(i)], 0))
            continue;
        const char name = first_byte(clients[static_cast<std::size_t>(i)]);
        if (name == '\0') break;
        CHECK(name == '1');
        ++by_second;
    }
    CHECK(by_second == 44);  // all but the 16 that wait at the first
    accept = true;
    int by_first = 0;
    for (auto& s : clients) {
        // Those that were answered before have nothing more to read.
        if (by_first < 16 && says_something(s, 0)) by_first += first_byte(s) == '0' ? 1 : 0;
    }
    for (int round = 0; round < 2000 && by_first < 16; ++round) {
        for (auto& s : clients) {
            if (says_something(s, 1)) by_first += first_byte(s) == '0' ? 1 : 0;
        }
    }
    CHECK(by_first == 16);
    on.runtime().stop();
    CHECK(running.wait() == 1);
}

TEST_CASE("handed over, while nobody accepts connections wait, and none is lost") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 2);
    sharded_listener where(on.runtime(), loopback, spread(sharding::hand_over));
    std::atomic<int> listening{0};
    std::atomic<bool> accept{false};
    const names_reactor protocol{on.runtime()};
    auto root = [&]() -> task<> {
        bight::listener l = where.listen();
        ++listening;
        while (!accept) co_await bight::sleep_for(1ms);
        co_await bight::serve(std::move(l), quick_drain(), protocol);
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    while (listening < 2) std::this_thread::yield();
    std::vector<test::raw_socket> clients;
    for (int i = 0; i < 60; ++i) clients.push_back(test::raw_connect(where.local()));
    accept = true;
    for (auto& s : clients) CHECK(first_byte(s) != '\0');
    on.runtime().stop();
    CHECK(running.wait() == 1);
}

TEST_CASE("handed over, a listener is used as any other") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 1);
    sharded_listener where(on.runtime(), loopback, spread(sharding::hand_over));
    CHECK_THROWS_AS(where.listen(), std::system_error);  // no reactor runs here
    std::vector<std::string> wrong;
    auto expect = [&](bool what, const char* text) {
        if (!what) wrong.emplace_back(text);
    };
    auto root = [&]() -> task<int> {
        bight::listener l = where.listen();
        try {
            const bight::listener second = where.listen();
            expect(false, "a second listener");
        } catch (const std::system_error& e) {
            expect(e.code() == bight::errc::busy, "busy, for a second listener");
        }
        const std::string to = test::endpoint_to(where.local());

        // An accept that is cancelled loses no connection.
        const bool timed_out = !(co_await bight::try_with_timeout(l.accept(), 1ms));
        expect(timed_out, "nobody connects yet");
        bight::stream client = co_await bight::connect(to);
        bight::stream server = co_await l.accept();
        co_await client.write("hello");
        const auto chunk = co_await server.read_some();
        expect(chunk.view() == "hello", "hello");

        // One at a time.
        auto waits = [&]() -> task<std::error_code> { return test::error_of(l.accept()); };
        auto closes = [&]() -> task<> {
            co_await bight::yield();
            const auto busy = co_await test::error_of(l.accept());
            expect(busy == bight::errc::busy, "busy, for a second accept");
            l = {};
        };
        const auto [closed, nothing] = co_await bight::when_all(waits(), closes());
        (void)nothing;
        expect(closed == bight::errc::closed, "closed");

        // Connections that were not accepted end with the listener.
        bight::listener again = where.listen();
        bight::stream late = co_await bight::connect(to);
        co_await bight::sleep_for(5ms);
        again.close();
        auto end = co_await bight::as_result(late.read_some());
        expect(!end || end->size() == 0, "an end");
        co_return 0;
    };
    CHECK(on.runtime().run(root) == 0);
    CHECK(wrong == std::vector<std::string>{});
}

TEST_CASE("a socket that listens already is adopted, and handed over") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 2);
    test::raw_socket listening_socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto any = bight::address::from_ip("127.0.0.1", 0);
    REQUIRE(::bind(listening_socket.get(), static_cast<const sockaddr*>(any.native()),
                   static_cast<socklen_t>(any.native_size())) == 0);
    REQUIRE(::listen(listening_socket.get(), 10) == 0);
    {
        sharded_listener where(on.runtime(), "fd:" + std::to_string(listening_socket.get()));
        CHECK(where.sharding() == sharding::hand_over);
        std::atomic<int> listening{0};
        const names_reactor protocol{on.runtime()};
        auto root = [&]() -> task<> {
            bight::listener l = where.listen();
            ++listening;
            co_await bight::serve(std::move(l), quick_drain(), protocol);
        };
        runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
        while (listening < 2) std::this_thread::yield();
        std::string order;
        for (int i = 0; i < 4; ++i) order += first_byte(test::raw_connect(where.local()));
        CHECK((order == "0101" || order == "1010"));
        on.runtime().stop();
        CHECK(running.wait() == 1);
    }
    listening_socket.close();
}

TEST_CASE("an error of accepting is told to the listeners of all reactors, each time they accept") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const test::raw_socket original(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto any = bight::address::from_ip("127.0.0.1", 0);
    REQUIRE(::bind(original.get(), static_cast<const sockaddr*>(any.native()),
                   static_cast<socklen_t>(any.native_size())) == 0);
    REQUIRE(::listen(original.get(), 8) == 0);
    runtime_fixture on(kind, 2);
    sharded_listener where(on.runtime(), "fd:" + std::to_string(original.get()), spread(sharding::hand_over));
    std::atomic<int> listening{0};
    std::atomic<int> told{0};
    auto root = [&]() -> task<> {
        bight::listener l = where.listen();
        ++listening;
        for (int i = 0; i < 2; ++i) {
            const auto code = co_await test::error_of(l.accept());
            if (code == test::from_errno(EINVAL)) ++told;
        }
        while (told < 4) co_await bight::sleep_for(1ms);
    };
    runtime_fixture::background running(on.runtime(), [&] { return on.runtime().run(root); });
    while (listening < 2) std::this_thread::yield();
    const test::listen_no_more from_here_on(original.get());
    CHECK(running.wait() == 0);
    CHECK(told == 4);
}
