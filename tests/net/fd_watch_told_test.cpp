// What an fd_watch says of itself, and to those who use it in vain.
#include "support/reactors.hpp"
#include "watched.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
using Catch::Contains;
using test::socket_pair;
using test::to_read;
using namespace std::chrono_literals;

TEST_CASE("fd_ready: with nothing to wait for it is refused") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const socket_pair pair;
        bool refused = false;
        try {
            co_await bight::fd_ready(pair.fd(), bight::fd_interest());
        } catch (const std::invalid_argument&) {
            refused = true;
        }
        CHECK(refused);
    });
}

TEST_CASE("fd_watch: one that goes and never ran is a warning, unless there is another reason") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const socket_pair pair;
    const auto nothing = [](fd_readiness) {};
    on.run([&]() -> task<> {
        const fd_watch empty;
        fd_watch emptied;
        emptied.add(pair.fd(), to_read, nothing);
        emptied.remove_all();
        {
            fd_watch ran;
            ran.add(pair.fd(), to_read, nothing);
            const auto never = co_await bight::try_with_timeout(ran.run(), 1ms);
            CHECK_FALSE(never);
        }
        try {
            fd_watch unwound;
            unwound.add(pair.fd(), to_read, nothing);
            throw std::runtime_error("the reason");
        } catch (const std::runtime_error&) {
        }
        auto cancelled = [&]() -> task<> {
            fd_watch watch;
            watch.add(pair.fd(), to_read, nothing);
            co_await bight::sleep_for(1h);
            co_await watch.run();
        };
        const auto in_vain = co_await bight::try_with_timeout(cancelled(), 1ms);
        CHECK_FALSE(in_vain);
        CHECK(on.take_log() == std::vector<std::string>{});
        {
            fd_watch forgotten;
            forgotten.add(pair.fd(), to_read, nothing);
        }
        const auto logged = on.take_log();
        REQUIRE(logged.size() == 1);
        CHECK_THAT(logged[0], Contains("an fd_watch goes that has never run") && Contains("run()"));
    });
}

TEST_CASE("fd_watch: the tree of tasks names what is waited for") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const socket_pair one;
        fd_watch watch;
        watch.add(one.fd(), to_read, [](fd_readiness) {});
        const std::string name = "readiness of fd " + std::to_string(one.fd());
        auto look = [&](std::string wanted) -> task<> {
            co_await bight::yield();
            CHECK_THAT(on.reactor().dump_tasks(), Contains(wanted));
        };
        (void)co_await bight::when_any(watch.run(), look(name + ","));
        (void)co_await bight::when_any(bight::fd_ready(one.fd(), to_read), look(name + ","));
        std::vector<socket_pair> many(10);
        for (const socket_pair& each : many) watch.add(each.fd(), to_read, [](fd_readiness) {});
        (void)co_await bight::when_any(watch.run(), look(" and 3 more,"));
#ifndef _WIN32
        many[0].ours = test::raw_socket();  // has its number again when the watch runs
        many[1].ours = test::raw_socket();
        (void)co_await bight::when_any(watch.run(), look(" (closed), "));
#endif
        watch.remove_all();
        (void)co_await bight::when_any(watch.run(), look("nothing is watched"));
    });
}

TEST_CASE("fd_watch: the error of a handler, and one that holds the reactor, name where it was added") {
    bight::reactor_options options;
    options.stall_limit = 20ms;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())), options);
    const socket_pair pair;
    fd_watch watch;
    const int line = __LINE__ + 1;
    watch.add(pair.fd(), to_read, [&](fd_readiness) {
        for (const auto begin = bight::clock::now(); bight::clock::now() - begin < 200ms;) {
        }
        throw std::runtime_error("of a handler");
    });
    const std::string place = "fd_watch_told_test.cpp:" + std::to_string(line);
    pair.theirs.send("a byte");
    on.reactor().start(watch.run());
    on.run([&]() -> task<> { co_await bight::sleep_for(1ms); });
    std::string errors;
    for (const std::string& each : on.take_errors()) errors += each;
    CHECK_THAT(errors, Contains("of a handler") && Contains(place));
    std::string logged;
    for (const std::string& each : on.take_log()) logged += each;
    CHECK_THAT(logged, Contains("has been held") && Contains(place));
}
