// What is said when a signal makes a server drain.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

using bight::stream;
using bight::task;
using namespace std::chrono_literals;

namespace {

std::size_t count_of(const std::string& part, const std::string& text) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
    return count;
}

}  // namespace

TEST_CASE("who has sent a signal is told what keeps each server, and once what a second signal does") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::child c([&](const test::witness_pipe& pipe) {
        bight::set_log_handler(
            [](bight::log_level level, std::string_view text, void* to) {
                if (level == bight::log_level::requested) {
                    static_cast<const test::witness_pipe*>(to)->say(text);
                }
            },
            const_cast<test::witness_pipe*>(&pipe));
        bight::run_options options;
        options.reactor.demultiplexer = kind;
        options.reactor.name = "the reactor of the test";
        int connected = 0;
        auto client = [&](std::string to) -> task<> {
            stream s = co_await bight::connect(to);
            (void)co_await s.read_some();
            if (++connected == 2) pipe.say("ready\n");
            (void)co_await test::read_all(s);
        };
        bight::serve_options patient;
        patient.drain = 1h;
        auto protocol = [](stream peer) -> task<> {
            co_await peer.write("hello");
            co_await bight::draining();
        };
        auto main = [&]() -> task<> {
            bight::listener one = bight::listen("tcp:0:interface=127.0.0.1");
            bight::listener two = bight::listen("tcp:0:interface=127.0.0.1");
            auto beside = bight::shield(bight::when_all(client(test::endpoint_to(one.local())),
                                                        client(test::endpoint_to(two.local()))),
                                        1h);
            co_await bight::when_all(bight::serve(std::move(one), patient, protocol),
                                     bight::serve(std::move(two), patient, protocol), std::move(beside));
        };
        return bight::run(main(), options);
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(SIGINT);
    CHECK(c.exit_status() == 128 + SIGINT);
    const std::string said = c.said();
    CAPTURE(said);
    CHECK(count_of("draining 1 connection of the server at 127.0.0.1:", said) == 2);
    CHECK(count_of(", on the reactor of the test", said) == 2);
    CHECK(count_of("; a second signal (Ctrl-C) ends them at once", said) == 1);
}
