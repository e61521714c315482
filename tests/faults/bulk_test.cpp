// Data in bulk where there is no memory for large blocks.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/allocation_fault.hpp>

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
