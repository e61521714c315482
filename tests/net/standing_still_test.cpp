// A process that stands still until after a deadline.
#include "listening_socket.hpp"

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

using bight::stream;
using bight::task;
using namespace std::chrono_literals;

namespace {

// A child that reads from a connection with a time-out, and says what came of it. It is stopped before its
// deadline, gets `text` then, and goes on after its deadline. Nothing when it could not be stopped in time.
std::optional<std::string> read_after_standing_still(bight::demultiplexer_kind kind, bight::duration limit,
                                                     const std::string& text) {
    const test::raw_socket listening = test::listening_socket();
    const std::string where = test::same_in_children([&] {
        sockaddr_storage bound{};
        socklen_t size = sizeof bound;
        REQUIRE(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
        return test::endpoint_to(bight::address::from_native(&bound, static_cast<std::size_t>(size)));
    });
    test::child reader([&](const test::witness_pipe& to) {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        auto read = [&]() -> task<std::string> {
            stream s = co_await bight::connect(where);
            const auto deadline = bight::saturating_add(r.now(), limit);
            to.say(std::to_string(deadline.time_since_epoch().count()) + ";");
            const auto got = co_await bight::try_with_timeout(s.read_some(), limit);
            co_return got ? got->to_string() : "timed out";
        };
        to.say(r.run(read()));
        return 0;
    });
    REQUIRE(reader.has_said(";"));
    const bight::time_point deadline(bight::duration(std::stoll(reader.said())));
    const test::raw_socket plain(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    reader.wait_until_asleep();
    const bool stopped = reader.stop();
    const bool in_time = stopped && bight::clock::now() < deadline;
    plain.send(text);
    if (in_time) std::this_thread::sleep_until(deadline + 1ms);
    reader.send(SIGCONT);
    const int status = reader.exit_status();
    if (!in_time) return std::nullopt;
    CHECK(status == 0);
    return reader.said().substr(reader.said().find(';') + 1);
}

}  // namespace

TEST_CASE("what came before a deadline is read, although the process stood still until after it") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    std::optional<std::string> got;
    for (bight::duration limit = 100ms; !got && limit < 10s; limit = 2 * limit) {
        got = read_after_standing_still(kind, limit, "in time");
    }
    CHECK(got == "in time");
}
