// Allocations that fail on demand, one after the other. Included by one file of a program: it defines
// operator new.
#pragma once

#include "catch.hpp"
#include "reactors.hpp"

#include <bight/core/sleep.hpp>
#include <bight/core/virtual_clock.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

namespace test {

/// Which allocation of this thread fails: the one after so many others, and with `all` every one from there
/// on.
struct allocation_fault {
    long after = 0;
    bool all = false;
    bool happened = false;
};

inline constinit thread_local allocation_fault* armed_fault = nullptr;

/// Blocks of all threads that operator new gave and that were not deleted.
inline std::atomic<long>& blocks_out() {
    static std::atomic<long> count{0};
    return count;
}

/// While one lives, the allocations of this thread are counted, and fail as `fault` says.
class failing {
  public:
    explicit failing(allocation_fault& fault) : before_(std::exchange(armed_fault, &fault)) {}
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;
    ~failing() { armed_fault = before_; }

  private:
    allocation_fault* before_;
};

inline void* allocate_or_fail(std::size_t size) noexcept {
    if (allocation_fault* f = armed_fault) {
        if (f->after == 0) {
            f->happened = true;
            if (!f->all) armed_fault = nullptr;
            return nullptr;
        }
        --f->after;
    }
    void* const memory = std::malloc(size ? size : 1);
    if (memory) blocks_out().fetch_add(1, std::memory_order_relaxed);
    return memory;
}

inline void give_back(void* memory) noexcept {
    if (memory) blocks_out().fetch_sub(1, std::memory_order_relaxed);
    std::free(memory);
}

struct fault_tally {
    long allocations = 0;  ///< that `attempt` makes when none fails
    long endured = 0;      ///< failures that it went on without
};

/// Calls `attempt(fault)` with a fault in its first allocation, its second, and so on, until it needs no
/// more; then the same with all allocations failing from there on. What it does while it has a
/// `failing(fault)` must end well, or with std::bad_alloc or std::system_error (not_enough_memory, or
/// errc::unavailable for a reactor), and leave no memory behind.
template <class F>
fault_tally fail_each_allocation(F attempt) {
    allocation_fault none{-1, false, false};
    attempt(none);  // what is made once for the program
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
            // Not through the fixture, which notes the error: that is memory, too.
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

// NOLINTBEGIN(misc-definitions-in-headers): these cannot be inline, and one file of a program includes them.
void* operator new(std::size_t size) {
    if (void* memory = test::allocate_or_fail(size)) return memory;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return test::allocate_or_fail(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return test::allocate_or_fail(size);
}
void operator delete(void* memory) noexcept { test::give_back(memory); }
void operator delete[](void* memory) noexcept { test::give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { test::give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { test::give_back(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { test::give_back(memory); }
// NOLINTEND(misc-definitions-in-headers)
