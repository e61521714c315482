// A pool whose threads cannot be started.
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/when_all.hpp>
#include <bight/thread/offload.hpp>
#include <bight/thread/thread_pool.hpp>

#include "support/gate.hpp"
#include "support/no_more_threads.hpp"
#include "support/pools.hpp"
#include "support/reactors.hpp"

#include <memory>
#include <system_error>
#include <utility>

using bight::offload;
using bight::task;
using bight::thread_pool;
using test::gate;
using test::no_more_threads;
using test::on_pool;

TEST_CASE("when no thread can be started, the await throws why instead of hanging") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 2});
    bool ran = false;
    auto held = std::make_shared<int>(1);
    on.run([&]() -> task<> {
        std::error_code code;
        {
            const no_more_threads limit;
            auto job = [&ran, held] { ran = true; };
            try {
                co_await offload(std::move(job), on_pool(pool));
            } catch (const std::system_error& e) {
                code = e.code();
            }
        }
        CHECK(code == std::errc::resource_unavailable_try_again);
        CHECK(held.use_count() == 1);
        CHECK(pool.statistics().queued == 0);
        co_await offload([&] { ran = true; }, on_pool(pool));  // and it works again
    });
    CHECK(ran);
}

TEST_CASE(
    "when no further thread can be started, the await throws why: those that exist may wait for the job") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 2});
    int ran = 0;
    on.run([&]() -> task<> {
        gate g;
        auto first = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); };
        auto second = [&]() -> task<> {
            co_await bight::yield();
            g.await();
            std::error_code code;
            try {
                const no_more_threads limit;
                co_await offload([&] { ++ran; }, on_pool(pool));
            } catch (const std::system_error& e) {
                code = e.code();
            }
            CHECK(code == std::errc::resource_unavailable_try_again);
            CHECK(pool.statistics().queued == 0);
            CHECK(pool.statistics().threads == 1);
            g.open();
        };
        co_await bight::when_all(first(), second());
    });
    CHECK(ran == 0);
    CHECK(pool.statistics().started == 1);
}
