// Failing allocations while signals are watched.
#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/signal_handlers.hpp"

#include <bight/os/signal_watch.hpp>

#include <csignal>

using namespace test;
using bight::signal_watch;

TEST_CASE("without memory there is no watch, and the actions are as before, or it is told as always") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    struct as_before {
        signal_handler of_end = handler_of(SIGTERM);
        signal_handler of_interrupt = handler_of(SIGINT);
        ~as_before() {
            CHECK(handler_of(SIGTERM) == of_end);
            CHECK(handler_of(SIGINT) == of_interrupt);
        }
    };
    const fault_tally tally =
        fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> bight::task<> {
            const as_before at_end;
            const failing now(fault);
            signal_watch first{SIGTERM, SIGINT};
            signal_watch second{SIGINT};
            std::raise(SIGINT);
            const bight::received_signal came = co_await first.next();
            CHECK(came.number == SIGINT);
            CHECK(second.try_next());
        });
    CHECK(tally.allocations >= 4);
}
