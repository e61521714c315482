// Asio's operations in tasks, and tasks as operations of Asio, when memory is out. The io_context runs on the
// test's own thread, whose allocations fail.
#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/failing_new.hpp>
#include <bight/with/asio.hpp>

#include <asio/bind_executor.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

// Asio's own allocations, which are counted and fail as those by operator new do.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    if (bight::sim::allocation_fault* const f = bight::sim::detail::armed_fault) {
        if (f->after == 0) {
            f->happened = true;
            if (!f->all) f->after = -1;
            errno = ENOMEM;
            return nullptr;
        }
        --f->after;
    }
    void* memory = nullptr;
    return ::posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) == 0 ? memory : nullptr;
}

using bight::task;
using bight::use_task;
using namespace std::chrono_literals;
using test::allocation_fault;
using test::failing;
using test::reactor_fixture;

namespace {

// Gives a text as the result of an operation that it completes by a later call.
struct told_later {
    asio::io_context& io;
    asio::io_context::executor_type get_executor() const noexcept { return io.get_executor(); }
    template <class Handler>
    void operator()(Handler handler) const {
        asio::post(io, [handler = std::move(handler), text = std::string(1000, 'x')]() mutable {
            const std::string& copied_by_the_handler = text;
            std::move(handler)(copied_by_the_handler);
        });
    }
};

// Runs the io_context until `over`, between the turns of the reactor.
task<> poll_until(asio::io_context& io, const bool& over) {
    while (!over) {
        io.restart();
        try {
            io.poll();
        } catch (const std::bad_alloc&) {  // of a handler: it goes to whoever runs the context
        }
        co_await bight::yield();
    }
}

}  // namespace

TEST_CASE("use_task: an operation for which there is no memory ends with that, and leaves nothing behind") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto tally =
        test::fail_each_allocation_on(kind, [](reactor_fixture&, allocation_fault& fault) -> task<> {
            asio::io_context io(1);
            bool over = false;
            std::exception_ptr error;
            std::string got;
            auto asks = [&]() -> task<> {
                try {
                    const failing here(fault);
                    got = co_await asio::async_initiate<const bight::use_task_t, void(std::string)>(
                        told_later{io}, use_task);
                } catch (...) {
                    error = std::current_exception();
                }
                over = true;
            };
            co_await bight::when_all(asks(), poll_until(io, over));
            if (error) std::rethrow_exception(error);
            CHECK(got == std::string(1000, 'x'));
        });
    CHECK(tally.allocations > 2);
}

TEST_CASE("use_task: a request to end for which there is no memory is repeated until there is") {
    bight::virtual_clock time;
    bight::reactor_options options;
    options.clock = &time;
    reactor_fixture on(test::any_demultiplexer, options);
    asio::io_context io(1);
    asio::steady_timer timer(io, 24h);
    auto work = asio::make_work_guard(io);
    std::thread elsewhere([&] { io.run(); });
    bool over = false;
    bool over_without_memory = false;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto waits = [&]() -> task<> {
                auto note = [&]() -> task<> {
                    over = true;
                    co_return;
                };
                co_await bight::finally(timer.async_wait(use_task), note);
            };
            auto waiting = g.spawn(waits);
            co_await bight::yield();
            allocation_fault fault{0, true, false};
            const failing here(fault);
            waiting.cancel();
            CHECK(fault.happened);
            fault.happened = false;
            co_await bight::sleep_for(25ms);
            CHECK(fault.happened);
            over_without_memory = over;
        });
    });
    work.reset();
    elsewhere.join();
    CHECK_FALSE(over_without_memory);
    CHECK(over);
    CHECK(time.elapsed() == 30ms);
}

TEST_CASE("use_task: an operation that ends while its request to end waits for memory gives its result") {
    bight::virtual_clock time;
    bight::reactor_options options;
    options.clock = &time;
    reactor_fixture on(test::any_demultiplexer, options);
    asio::io_context io(1);
    std::string got;
    bool over = false;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto waits = [&]() -> task<> {
                auto note = [&]() -> task<> {
                    over = true;
                    co_return;
                };
                auto asks = [&]() -> task<> {
                    got = co_await asio::async_initiate<const bight::use_task_t, void(std::string)>(
                        told_later{io}, use_task);
                };
                co_await bight::finally(asks(), note);
            };
            auto waiting = g.spawn(waits);
            co_await bight::yield();
            io.poll_one();  // it has begun
            allocation_fault fault{0, true, false};
            {
                const failing here(fault);
                waiting.cancel();
            }
            CHECK(fault.happened);
            while (!over) {
                io.restart();
                io.poll();
                co_await bight::yield();
            }
        });
    });
    CHECK(got == std::string(1000, 'x'));
    CHECK(time.elapsed() == 0ms);
}

TEST_CASE("async_on: a call for which there is no memory is not made, and leaves nothing behind") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto tally =
        test::fail_each_allocation_on(kind, [](reactor_fixture& on, allocation_fault& fault) -> task<> {
            asio::io_context io(1);
            int begun = 0;
            std::optional<int> answer;
            std::exception_ptr error;
            auto count = [&]() -> int { return ++begun; };
            try {
                const failing here(fault);
                bight::async_on(on.reactor(), count,
                                asio::bind_executor(io, [&](std::exception_ptr why, int n) {
                                    CHECK_FALSE(why);
                                    answer = n;
                                }));
            } catch (const std::bad_alloc&) {
                error = std::current_exception();
            }
            if (error) {
                co_await bight::yield();
                io.poll();
                CHECK(begun == 0);
                CHECK_FALSE(answer);
                std::rethrow_exception(error);
            }
            while (!answer) {
                co_await bight::yield();
                io.restart();
                io.poll();
            }
            CHECK(begun == 1);
            CHECK(answer == 1);
        });
    CHECK(tally.allocations > 0);
}
