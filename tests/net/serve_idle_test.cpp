// serve_options::idle_timeout: a server ends connections that neither read nor write.
#include <bight/net/serve.hpp>

#include "serving.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/echo.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::serve;
using bight::serve_options;
using bight::stream;
using bight::task;
using test::beside_server;
using test::echo;
using namespace std::chrono_literals;

namespace {

serve_options idle_after(bight::duration limit) {
    serve_options options;
    options.idle_timeout = limit;
    options.drain = 10ms;
    return options;
}

// In virtual time on each demultiplexer, and in the simulation; gives what was logged.
template <class F>
std::vector<std::string> log_on_each(F body) {
    const auto on = GENERATE(from_range(test::reactors()));
    CAPTURE(on);
    auto run = [&](auto&& fixture) {
        fixture.run(body);
        return fixture.take_log();
    };
    if (on.seed) return run(test::reactor_fixture(on));
    return run(test::virtual_fixture(on.kind));
}

}  // namespace

TEST_CASE("a server ends a connection that is silent, and one that is busy lives") {
    const auto log = log_on_each([]() -> task<> {
        auto talks = [](std::string where) -> task<> {
            stream busy = co_await bight::connect(where);
            stream silent = co_await bight::connect(where);
            const auto begun = bight::now();
            auto reads_to_the_end = [&]() -> task<bight::duration> {
                const std::string all = co_await test::read_all(silent);
                CHECK(all.empty());
                co_return bight::now() - begun;
            };
            auto goes_on = [&]() -> task<> {
                for (int i = 0; i < 6; ++i) {
                    co_await bight::sleep_for(9min);
                    co_await busy.write("x");
                    const auto answer = co_await busy.read_some();
                    CHECK(answer.view() == "x");
                }
            };
            auto [ended_after, none] = co_await bight::when_all(reads_to_the_end(), goes_on());
            CHECK(ended_after > 9min);  // since it was accepted, which was before
            CHECK(ended_after < 11min);
            // Then the busy one is silent, too.
            const std::string rest = co_await test::read_all(busy);
            CHECK(rest.empty());
            CHECK(bight::now() - begun >= 64min);
            CHECK(bight::now() - begun < 66min);
        };
        co_await beside_server(idle_after(10min), echo, talks);
    });
    const auto told = std::count_if(log.begin(), log.end(), [](const std::string& line) {
        return line.starts_with("connection ") &&
               line.find("nothing was read or written for 600 s, so it is ended") != std::string::npos;
    });
    CHECK(told == 2);
}

TEST_CASE("an idle connection cleans up like one that is cancelled, and counts until its coroutine ends") {
    log_on_each([]() -> task<> {
        int cleaned = 0;
        auto protocol = [&](stream peer) -> task<> {
            co_await bight::finally([&]() -> task<> { co_await peer.read_some(); }(),
                                    [&]() -> task<> {
                                        co_await peer.write("goodbye");
                                        ++cleaned;
                                    });
        };
        auto talks = [&](std::string where) -> task<> {
            stream s = co_await bight::connect(where);
            const std::string all = co_await test::read_all(s);
            CHECK(all == "goodbye");
        };
        co_await beside_server(idle_after(5s), protocol, talks);
        CHECK(cleaned == 1);

        // A coroutine that has given its stream away has ended: the new owner is not watched.
        stream kept;
        auto gives_away = [&](stream peer) -> task<> {
            kept = std::move(peer);
            co_return;
        };
        auto waits = [&](std::string where) -> task<> {
            stream s = co_await bight::connect(where);
            co_await bight::sleep_for(1min);
            CHECK(kept.is_open());
            co_await kept.write("still here");
            const auto got = co_await s.read_some();
            CHECK(got.size() > 0);
            kept.abort();
        };
        co_await beside_server(idle_after(5s), gives_away, waits);
    });
}

TEST_CASE("an idle time-out of nothing is refused before the server listens") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        for (const bight::duration none : {bight::duration(0s), bight::duration(-1s)}) {
            std::string said;
            try {
                co_await serve("tcp:0:interface=127.0.0.1", idle_after(none), echo);
            } catch (const std::invalid_argument& e) {
                said = e.what();
            }
            CHECK_THAT(said, Catch::Contains("serve_options::idle_timeout"));
        }
    });
}
