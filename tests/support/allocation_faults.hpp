// A test with a failure in each of its allocations, one after the other. One file of the program includes
// bight/sim/failing_new.hpp.
#pragma once

#include "catch.hpp"
#include "reactors.hpp"

#include <bight/core/sleep.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <chrono>
#include <exception>
#include <new>
#include <system_error>

namespace test {

using bight::sim::allocation_fault;
using bight::sim::blocks_out;
using bight::sim::failing;

struct fault_tally {
    long allocations = 0;  ///< made by `attempt` when none fails
    long endured = 0;      ///< failures after which it still succeeded
};

/// Calls `attempt(fault)` with a fault in its first allocation, its second, and so on, until no allocation is
/// left to fail; then again with all later allocations failing too. The code that runs while `failing(fault)`
/// lives must succeed, or fail with std::bad_alloc or std::system_error (not_enough_memory, or
/// errc::unavailable for a reactor), and leave no memory behind.
template <class F>
fault_tally fail_each_allocation(F attempt) {
    allocation_fault none{-1, false, false};
    attempt(none);  // makes the objects that are made once for the program
    for (const long n : {0L, 1L, 2L}) {
        allocation_fault once{n, false, false};
        try {
            attempt(once);
        } catch (const std::bad_alloc&) {
        } catch (const std::system_error&) {
        }
    }
    fault_tally tally;
    for (const bool all : {false, true}) {
        for (long n = 0;; ++n) {
            CAPTURE(n, all);
            REQUIRE(n < 1000);
            const long before = blocks_out();
            allocation_fault fault{n, all, false};
            bool ended_well = false;
            try {
                attempt(fault);
                ended_well = true;
            } catch (const std::bad_alloc&) {
            } catch (const std::system_error& e) {
                const bool documented =
                    e.code() == std::errc::not_enough_memory || e.code() == bight::errc::unavailable;
                if (!documented) throw;
            }
            CHECK(blocks_out() == before);
            if (!fault.happened) {
                REQUIRE(ended_well);
                tally.allocations = n;
                break;
            }
            if (ended_well) ++tally.endured;
        }
    }
    return tally;
}

/// The same for a task, `body(fixture, fault)`, each time on a new reactor in virtual time, which must have
/// nothing left afterwards and still work.
template <class F>
fault_tally fail_each_allocation_on(bight::demultiplexer_kind kind, F body) {
    return fail_each_allocation([&](allocation_fault& fault) {
        bight::virtual_clock time;
        bight::reactor_options options;
        options.clock = &time;
        options.submission_entries = 8;
        options.receive_buffers = 8;
        reactor_fixture on(kind, options);
        std::exception_ptr error;
        {
            // Not through the fixture, which records the error and so allocates.
            watchdog guard(on.reactor(), std::chrono::seconds(30));
            try {
                on.reactor().run(body(on, fault));
            } catch (...) {
                error = std::current_exception();
            }
            CHECK_FALSE(guard.stop());
        }
        const int answer = on.run([]() -> bight::task<int> {
            co_await bight::yield();
            co_await bight::sleep_for(std::chrono::nanoseconds(1));
            co_return 42;
        });
        CHECK(answer == 42);
        on.finish();
        if (error) std::rethrow_exception(error);
    });
}

}  // namespace test
