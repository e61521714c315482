// One address for all the reactors of a runtime: how connections are spread, and how it ends.
#include <bight/net/sharded_listener.hpp>

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <bight/bight.hpp>

#include <poll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bight::serve_options;
using bight::sharded_listener;
using bight::sharding;
using bight::stream;
using bight::task;
using test::runtime_fixture;
using namespace std::chrono_literals;

namespace {

const char* const loopback = "tcp:0:interface=127.0.0.1";

task<> echo(stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

bight::listen_options spread(sharding how) {
    bight::listen_options options;
    options.sharding = how;
    return options;
}

serve_options quick_drain() {
    serve_options options;
    options.drain = 10ms;
    return options;
}

// Answers with one letter, the reactor that it is on, and waits for the peer's end.
struct names_reactor {
    bight::runtime& all;
    task<> operator()(stream peer) const {
        const std::string name(1, static_cast<char>('0' + all.index_here()));
        co_await peer.write(name);
        co_await peer.read_some();
    }
};

char first_byte(const test::raw_socket& s) {
    const timeval bound{20, 0};
    ::setsockopt(s.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    char c = 0;
    ssize_t got = 0;
    do got = ::recv(s.get(), &c, 1, 0);
    while (got < 0 && errno == EINTR);  // an io_uring of this thread that is being taken down
    return got == 1 ? c : '\0';
}

bool says_something(const test::raw_socket& s, int milliseconds) {
    pollfd p{s.get(), POLLIN, 0};
    return ::poll(&p, 1, milliseconds) > 0;
}

}  // namespace

TEST_CASE("all connections are served, by more than one reactor, at one port that the system chose") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(sharding::reuse_port, sharding::hand_over);
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
                if (i > 0 || e.code() != test::from_errno(ECONNREFUSED)) throw;
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

TEST_CASE("Unix sockets are handed over, and the file goes at the end, served or not") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    runtime_fixture on(kind, 2);
    const test::temporary_directory directory;
    const std::string path = directory.file("socket");
    const auto address = bight::address::from_path(path);
    {
        const sharded_listener unused(on.runtime(), "unix:" + path);
        CHECK(unused.sharding() == sharding::hand_over);
        CHECK(::access(path.c_str(), F_OK) == 0);
    }
    CHECK(::access(path.c_str(), F_OK) != 0);
    sharded_listener where(on.runtime(), "unix:" + path);
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
    CHECK(error_for("unix:/nonexistent-directory/socket") == test::from_errno(ENOENT));
    CHECK(error_for("unix:@bight-sharded", sharding::reuse_port) == std::errc::operation_not_supported);
    CHECK(error_for(taken, sharding::hand_over) == test::from_errno(EADDRINUSE));
    CHECK(error_for(taken, sharding::reuse_port) == test::from_errno(EADDRINUSE));
    CHECK(error_for(taken + ":reuse_port=yes") == test::from_errno(EADDRINUSE));  // the other did not say so

    CHECK(bight::serve_on(on.runtime(), "tcp:0:interface=192.0.2.1", echo) == 1);
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("bight::serve_on") && Catch::Contains("192.0.2.1"));
}

TEST_CASE("an address that is listened at is refused, unless the endpoint says reuse_port") {
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

TEST_CASE("a failure of one reactor's server stops all, with its error") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(sharding::reuse_port, sharding::hand_over);
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
    const auto how = GENERATE(sharding::reuse_port, sharding::hand_over);
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
    const auto how = GENERATE(sharding::reuse_port, sharding::hand_over);
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

TEST_CASE("a second run serves at the same address") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto how = GENERATE(sharding::reuse_port, sharding::hand_over);
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
