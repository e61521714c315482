// What an fd_watch says of itself, and to those who use it in vain.
#include "support/reactors.hpp"
#include "watched.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
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
