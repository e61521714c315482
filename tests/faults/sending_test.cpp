// Writes for whose sends there is no memory.
#include "demux/operation.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <string>
#include <system_error>
#include <vector>

using bight::task;

namespace {

/// Takes the blocks of a send's size that the reactor keeps, so that the next send needs a new one.
class no_kept_sends {
  public:
    no_kept_sends() {
        for (int i = 0; i < 100; ++i) blocks_.push_back(bight::detail::allocate_frame(size));
    }
    no_kept_sends(const no_kept_sends&) = delete;
    no_kept_sends& operator=(const no_kept_sends&) = delete;
    ~no_kept_sends() {
        for (void* const block : blocks_) bight::detail::free_frame(block, size);
    }

  private:
    static constexpr std::size_t size = sizeof(bight::detail::send_operation);
    std::vector<void*> blocks_;
};

}  // namespace

TEST_CASE("a write that finds no memory for its send goes out whole while the socket has room") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        bight::sim::allocation_fault fault{0, true, false};
        {
            const no_kept_sends drained;
            const bight::sim::failing here(fault);
            co_await pair.client.write("all ", "", "of it");
        }
        CHECK(fault.happened);
        co_await pair.client.close();
        const std::string heard = co_await test::read_all(pair.server);
        CHECK(heard == "all of it");
    });
}

TEST_CASE("a write that finds no memory for its send, and would have to wait, says so") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        const std::string much(std::size_t{64} << 20, 'x');  // more than the buffers of two sockets hold
        auto pair = co_await test::connected_pair(test::family::tcp);
        bight::sim::allocation_fault fault{0, true, false};
        std::error_code error;
        {
            const no_kept_sends drained;
            const bight::sim::failing here(fault);
            const auto written = co_await bight::as_result(pair.client.write(much));
            if (!written) error = written.error();
        }
        CHECK(fault.happened);
        CHECK(error == std::errc::not_enough_memory);

        // A part is no whole.
        const auto closed = co_await bight::as_result(pair.client.close());
        CHECK(closed.error() == bight::errc::aborted);
        const auto heard = co_await bight::as_result(test::read_all(pair.server));
        REQUIRE_FALSE(heard);
        CHECK(heard.error() == std::errc::connection_reset);
    });
}
