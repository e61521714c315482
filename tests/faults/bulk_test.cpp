// Data in bulk where there is no memory for large blocks, and files where there is none at all.
#include "net/pattern_file.hpp"
#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/send_file.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <fcntl.h>

#include <cstddef>
#include <string>

using bight::task;
using test::pattern;

TEST_CASE("what comes in bulk is received in small blocks while there is no memory for large ones") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        constexpr std::size_t size = 8U << 20;
        const std::string all = pattern(0, size);
        std::string got;
        got.reserve(size);
        bight::sim::allocation_fault fault{0, true, false, 40'000};
        auto send = [&]() -> task<> { co_await pair.client.write(all); };
        auto receive = [&]() -> task<> {
            const bight::sim::failing here(fault);
            while (got.size() < size) {
                const auto part = co_await pair.server.read_some();
                CHECK(part.size() <= 16384);
                got += part.view();
            }
        };
        co_await bight::when_all(send(), receive());
        CHECK(fault.happened);
        CHECK((got == all));
    });
}

TEST_CASE("a file for which there is no memory is an error, or is sent all the same") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool copied = GENERATE(false, true);
    CAPTURE(kind, copied);
    constexpr std::size_t size = 60'000;  // for which the socket has room
    const test::pattern_file file(size);
    std::string got(size, '\0');
    test::fail_each_allocation_on(
        kind, [&](test::reactor_fixture&, bight::sim::allocation_fault& fault) -> task<> {
            auto pair = co_await test::connected_pair(test::family::tcp);
#ifdef __linux__
            const int to = pair.server.native_handle();
            if (copied) REQUIRE(::fcntl(to, F_SETFL, O_NONBLOCK | O_APPEND) == 0);
#endif
            {
                const bight::sim::failing here(fault);
                co_await bight::send_file(pair.server, file.handle(), 0, size);
            }
            co_await pair.client.read_exactly(bight::mutable_buffer(got.data(), got.size()));
            const bool same = got == pattern(0, size);
            CHECK(same);
        });
}
