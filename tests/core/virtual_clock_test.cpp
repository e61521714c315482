#include <bight/core/deferred.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/core/when_all.hpp>
#include <bight/net/listener.hpp>

#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

using bight::task;
using bight::virtual_clock;
using namespace std::chrono_literals;

namespace {

task<> note(std::vector<std::string>& order, std::string name, bight::duration after) {
    co_await bight::sleep_for(after);
    order.push_back(std::move(name));
}

bight::reactor_options on_clock(virtual_clock& time) {
    bight::reactor_options options;
    options.clock = &time;
    return options;
}

task<> wait_for_ever() {
    const bight::deferred<> never;
    co_await never;
}

std::string deadlock_message(bight::reactor& r, task<> root) {
    try {
        r.run(std::move(root));
    } catch (const bight::deadlock& d) {
        return d.what();
    }
    return "no deadlock";
}

}  // namespace

TEST_CASE("time stands still while anything can run, and jumps to the next deadline when nothing can") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        for (int i = 0; i < 1000; ++i) co_await bight::yield();
        CHECK(on.elapsed() == 0s);
        co_await bight::sleep_for(365 * 24h);
        CHECK(on.elapsed() == 365 * 24h);
        co_await bight::sleep_for(1ns);
        CHECK(on.elapsed() == 365 * 24h + 1ns);
        co_await bight::sleep_until(on.reactor().now() - 1h);
        CHECK(on.elapsed() == 365 * 24h + 1ns);
    });
}

TEST_CASE("timers fire in the order of their deadlines; equal ones as they were armed") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::vector<std::string> order;
    on.run([&]() -> task<> {
        co_await bight::when_all(note(order, "c1", 3s), note(order, "a1", 1s), note(order, "b", 2s),
                                 note(order, "a2", 1s), note(order, "c2", 3s), note(order, "0", 0s));
    });
    CHECK(order == std::vector<std::string>{"0", "a1", "a2", "b", "c1", "c2"});
    CHECK(on.elapsed() == 3s);
}

TEST_CASE("a deadline that is armed for now by a timer fires in a later turn, as on the real clock") {
    test::virtual_fixture on;
    std::vector<std::string> order;
    on.run([&]() -> task<> {
        auto first = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            order.push_back("first");
            co_await bight::sleep_for(0s);
            order.push_back("its successor");
        };
        auto second = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            order.push_back("second");
        };
        co_await bight::when_all(first(), second());
    });
    CHECK(order == std::vector<std::string>{"first", "second", "its successor"});
}

TEST_CASE("a time-out is exact, and a result that is there at the deadline wins") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        const bool late = co_await bight::try_with_timeout(bight::sleep_for(1h), 10s);
        CHECK_FALSE(late);
        CHECK(on.elapsed() == 10s);
        const bool in_time = co_await bight::try_with_timeout(bight::sleep_for(9999ms), 10s);
        CHECK(in_time);
        CHECK(on.elapsed() == 19999ms);
    });
}

TEST_CASE("a manual clock moves only when it is told to") {
    virtual_clock time(virtual_clock::mode::manual);
    bight::reactor r(on_clock(time));
    std::vector<std::string> order;
    r.start(note(order, "one", 1s));
    r.start(note(order, "two", 2s));
    r.start(note(order, "three", 3s));
    auto settle = [&] {
        while (r.run_once()) {
        }
    };
    settle();
    CHECK(order.empty());
    time.advance(1s - 1ns);
    settle();
    CHECK(order.empty());
    time.advance(1ns);
    settle();
    CHECK(order == std::vector<std::string>{"one"});
    time.advance(-5s);
    CHECK(time.elapsed() == 1s);
    CHECK(r.next_deadline() == time.now() + 1s);
    time.advance(100s);
    settle();
    CHECK(order == std::vector<std::string>{"one", "two", "three"});
}

TEST_CASE("run_once lets an automatic clock go no further than its limit") {
    virtual_clock time;
    bight::reactor r(on_clock(time));
    std::vector<std::string> order;
    r.start(note(order, "one", 10s));
    while (r.run_once()) {
    }
    CHECK(time.elapsed() == 0s);
    r.run_once(4s);
    CHECK(time.elapsed() == 4s);
    CHECK(order.empty());
    r.run_once(60s);
    CHECK(time.elapsed() == 10s);
    CHECK(order == std::vector<std::string>{"one"});
}

TEST_CASE("the furthest deadline there is does not overflow") {
    virtual_clock time;
    time.advance(bight::duration::max());
    CHECK(time.now() == bight::time_point::max());
}

TEST_CASE("time stands still while work outside the reactor is under way") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        bight::reactor& r = on.reactor();
        bight::deferred<> done;
        auto work = [&]() -> task<> {
            const bight::outside_work busy(r);
            std::thread worker([&] { r.post([&] { done.set_value(); }); });
            co_await done;
            CHECK(on.elapsed() == 0s);
            worker.join();
        };
        co_await bight::with_timeout(work(), 1ns);
    });
}

TEST_CASE("time stands still for as long as the clock has patience with the kernel") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    bight::virtual_clock time(bight::virtual_clock::mode::automatic,
                              20s);  // of which an answer takes nothing
    bight::reactor_options options;
    options.clock = &time;
    const bool interrupted = GENERATE(false, true);
    test::reactor_fixture on(kind, options);
    struct sigaction handler{};
    struct sigaction before{};
    handler.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &handler, &before);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_to_raw(test::family::tcp);
        std::thread peer([&raw = pair.raw, interrupted, here = ::pthread_self()] {
            char byte = 0;
            while (::recv(raw.get(), &byte, 1, 0) < 0 && errno == EINTR) {
            }
            for (int i = 0; interrupted && i < 200; ++i) {  // its waits end, and nothing has come
                ::pthread_kill(here, SIGUSR1);
                std::this_thread::yield();
            }
            raw.send("answer");
        });
        auto ask = [&]() -> task<> {
            co_await pair.stream.write("?");
            const bight::chunk answer = co_await pair.stream.read_some();
            CHECK(answer.view() == "answer");
        };
        const bool in_time = co_await bight::try_with_timeout(ask(), 1h);
        CHECK(in_time);
        CHECK(time.elapsed() == 0s);
        peer.join();
    });
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("what the kernel delivers comes before the next deadline") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        test::stream_pair pair = co_await test::connected_pair(test::family::tcp);
        auto answer = [&]() -> task<> {
            const bight::chunk asked = co_await pair.server.read_some();
            co_await pair.server.write(asked);
        };
        auto ask = [&]() -> task<> {
            co_await pair.client.write("ping");
            const bight::chunk answered = co_await pair.client.read_some();
            CHECK(std::string(answered.begin(), answered.end()) == "ping");
        };
        co_await bight::with_timeout(bight::when_all(ask(), answer()), 1h);
        CHECK(on.elapsed() == 0s);
    });
}

TEST_CASE(
    "when nothing can ever run again run throws, with the tree of tasks and the lines where they wait") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    auto root = []() -> task<> {
        co_await bight::sleep_for(1s);
        co_await bight::when_all(wait_for_ever(), bight::sleep_for(2s));
    };
    const std::string message = deadlock_message(on.reactor(), root());
    INFO(message);
    CHECK(message.find("deadlock: nothing can ever run again\n") == 0);
    CHECK(message.find("waits for a deferred") != std::string::npos);
    CHECK(message.find("virtual_clock_test.cpp:") != std::string::npos);
    CHECK(message.find("wait_for_ever") != std::string::npos);
    CHECK(on.elapsed() == 3s);
    on.run([]() -> task<> { co_await bight::sleep_for(1s); });  // it can be used again
}

TEST_CASE("a deadlock unwinds the tasks, their clean-up included, before it is thrown") {
    test::virtual_fixture on;
    std::vector<std::string> order;
    struct at_end {
        std::vector<std::string>& order;
        ~at_end() { order.push_back("destructor"); }
    };
    auto stuck = [&]() -> task<> {
        const at_end noted{order};
        co_await wait_for_ever();
    };
    auto clean_up = [&]() -> task<> { return note(order, "clean-up", 0s); };
    auto root = [&]() -> task<> { co_await bight::finally(stuck(), clean_up); };
    CHECK(deadlock_message(on.reactor(), root()).find("deadlock") == 0);
    CHECK(order == std::vector<std::string>{"destructor", "clean-up"});
}

TEST_CASE("a task that waits for a manual clock which nobody is left to move is deadlocked") {
    virtual_clock time(virtual_clock::mode::manual);
    bight::reactor r(on_clock(time));
    auto asleep = []() -> task<> { co_await bight::sleep_for(1s); };
    const std::string message = deadlock_message(r, asleep());
    CHECK(message.find("a timer") != std::string::npos);
}

TEST_CASE("a task that waits for the kernel is not deadlocked") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        bight::listener port = bight::listen("tcp:0:interface=127.0.0.1");
        const auto accepted = co_await bight::try_with_timeout(port.accept(), 1h);
        CHECK_FALSE(accepted);
        CHECK(on.elapsed() == 1h);
    });
    // No timer at all: it really waits, here for another thread.
    bight::reactor& r = on.reactor();
    on.run([&]() -> task<> {
        bight::listener port = bight::listen("tcp:0:interface=127.0.0.1");
        std::thread client([&] { const test::raw_socket connected = test::raw_connect(port.local()); });
        const bight::stream accepted = co_await port.accept();
        client.join();
        CHECK(on.elapsed() == 1h);
    });
    CHECK(r.statistics().live_tasks == 0);
}
