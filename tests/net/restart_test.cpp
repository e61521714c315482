// A server that was killed, and its successor at the same address.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using bight::task;

namespace {

task<> hold(bight::stream s) {
    while (auto bytes = co_await s.read_some()) co_await s.write(bytes);
}

}  // namespace

// On io_uring the kernel takes down the ring of a process after its end.
TEST_CASE("a server that is started when one at its address was killed listens at once, again and again") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const test::family f = GENERATE(from_range(
        test::those_here({test::family::tcp, test::family::unix_path, test::family::unix_abstract})));
    CAPTURE(kind, f);
    const test::temporary_directory directory;
    const std::string where = test::same_in_children([&]() -> std::string {
        if (f != test::family::tcp) return test::new_endpoint(f, directory);
        bight::reactor r(test::options_on(kind));  // a port that was free a moment ago
        auto free_port = []() -> task<int> {
            co_return bight::listen("tcp:0:interface=127.0.0.1").local().port();
        };
        return "tcp:" + std::to_string(r.run(free_port())) + ":interface=127.0.0.1";
    });
    for (int round = 0; round < 5; ++round) {
        test::child server([&](const test::witness_pipe& pipe) {
            try {
                bight::reactor r(test::options_on(kind));
                auto serve = [&]() -> task<> {
                    auto l = bight::listen(where);
                    co_await bight::with_group([&](bight::group& g) -> task<> {
                        auto client = co_await bight::connect(test::endpoint_to(l.local()));
                        g.spawn(hold, co_await l.accept());
                        auto next = [&]() -> task<> { (void)co_await l.accept(); };
                        g.spawn(next);
                        co_await client.write("x");
                        (void)co_await client.read_some();
                        pipe.say("serves\n");
                        co_await bight::sleep_for(1h);
                    });
                };
                r.run(serve());
            } catch (const std::exception& e) {
                pipe.say(e.what());
            }
            return 1;
        });
        const bool serves = server.has_said("serves\n");
        INFO(server.said());
        REQUIRE(serves);
        server.send(SIGKILL);
        CHECK(server.exit_status() == 1000 + SIGKILL);
    }
}

TEST_CASE("an address whose server is alive is refused") {
    test::reactor_fixture fixture(GENERATE(from_range(test::reactors())));
    const test::family f =
        GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_abstract})));
    const test::temporary_directory directory;
    fixture.run([&]() -> task<> {
        auto alive = bight::listen(test::new_endpoint(f, directory));
        const std::string where = f == test::family::tcp
                                      ? "tcp:" + std::to_string(alive.local().port()) + ":interface=127.0.0.1"
                                      : test::endpoint_to(alive.local());
        try {
            (void)bight::listen(where);
            FAIL("it listens");
        } catch (const std::system_error& e) {
            CHECK(e.code() == std::errc::address_in_use);
        }
        co_return;
    });
}
