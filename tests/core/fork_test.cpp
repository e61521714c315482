// What a forked child may do with what it inherits: pools, reactors, chance.
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/random.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/block_on.hpp>
#include <bight/thread/offload.hpp>
#include <bight/thread/runtime.hpp>
#include <bight/thread/thread_pool.hpp>

#include "support/child.hpp"
#include "support/gate.hpp"
#include "support/pools.hpp"
#include "support/reactors.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

using bight::task;
using test::child;
using test::gate;
using test::witness_pipe;
using namespace std::chrono_literals;

namespace {

bight::reactor_options on(bight::demultiplexer_kind kind) {
    bight::reactor_options options;
    options.demultiplexer = kind;
    return options;
}

task<int> job(bight::offload_options options = {}) {
    auto seven = [] { return 7; };
    co_return co_await bight::offload(seven, options);
}

}  // namespace

TEST_CASE("a pool that was used before a fork runs the jobs of the child") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::thread_pool own;
    bight::reactor r(on(kind));
    CHECK(r.run(job()) == 7);
    CHECK(r.run(job(test::on_pool(own))) == 7);
    child c([&](const witness_pipe&) {
        bight::reactor here(on(kind));
        if (here.run(job()) != 7) return 1;
        if (here.run(job(test::on_pool(own))) != 7) return 2;
        return 0;
    });
    CHECK(c.exit_status() == 0);
    CHECK(r.run(job(test::on_pool(own))) == 7);
}

TEST_CASE("the parent's jobs stay the parent's: a child's pool has neither them nor their places") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::thread_pool_options one;
    one.max_threads = 1;
    bight::thread_pool pool(one);
    bight::offload_limiter limiter(1, pool);
    bight::reactor r(on(kind));
    gate end;
    int ran = 0;
    auto limited = bight::offload_options();
    limited.limiter = &limiter;
    auto root = [&]() -> task<> {
        auto holds_up = [&] { end.pass(); };
        auto runs = [&]() -> task<> { co_await bight::offload(holds_up, limited); };
        auto count = [&] { ++ran; };
        auto queued = [&]() -> task<> { co_await bight::offload(count, test::on_pool(pool)); };
        auto waits = [&]() -> task<> { co_await bight::offload(count, limited); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(runs);
            while (pool.statistics().running == 0) co_await bight::yield();
            g.spawn(queued);
            g.spawn(waits);
            while (pool.statistics().queued == 0 || limiter.waiting() == 0) co_await bight::yield();
            child c([&](const witness_pipe&) {
                const auto s = pool.statistics();
                if (s.queued + s.running + s.threads != 0 || limiter.in_use() + limiter.waiting() != 0)
                    return 1;
                std::optional<bight::thread_pool> gone;
                gone.emplace();  // and one that is destroyed waits for nobody
                gone.reset();
                return ran == 0 ? 0 : 2;
            });
            CHECK(c.exit_status() == 0);
            end.open();
        });
    };
    r.run(root());
    CHECK(ran == 2);
}

TEST_CASE("a job that forks and returns in the child ends the child, and leaves the pool there as it is") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    static bight::thread_pool* used = nullptr;
    child parent([&](const witness_pipe&) {
        bight::thread_pool_options brief;
        brief.idle_time = 1ms;
        bight::thread_pool pool(brief);
        used = &pool;
        bight::offload_limiter limiter(1, pool);
        auto limited = bight::offload_options();
        limited.limiter = &limiter;
        bight::reactor r(on(kind));
        const auto forks = [&] {
            const pid_t made = ::fork();
            if (made != 0) return made;
            // The process ends with its last thread: after the job, and after those of the child's pool.
            (void)std::atexit([] {
                const auto s = used->statistics();
                ::_exit(s.threads == 0 && s.running == 0 && s.completed == 1 ? 5 : 6);
            });
            bight::reactor own(on(kind));
            if (own.run(job(test::on_pool(*used))) != 7) ::_exit(7);
            return made;
        };
        auto root = [&]() -> task<int> {
            const pid_t made = co_await bight::offload(forks, limited);
            int status = 0;
            ::waitpid(made, &status, 0);
            co_return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        };
        const int status = r.run(root());
        return pool.statistics().completed == 1 && limiter.in_use() == 0 ? status : 2;
    });
    CHECK(parent.exit_status() == 5);
}

TEST_CASE(
    "a task that goes on in a forked child can sleep, offload, stop and unwind, and leaves its reactor") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    child parent([&](const witness_pipe& pipe) {
        std::optional<pid_t> forked;
        bight::reactor r(on(kind));
        auto root = [&]() -> task<> {
            auto tidy = [&]() -> task<> {
                co_await bight::sleep_for(1ms);
                pipe.say(*forked == 0 ? "child tidied\n" : "parent tidied\n");
            };
            auto body = [&]() -> task<> {
                co_await bight::sleep_for(1ms);
                forked = ::fork();
                if (*forked == 0) {
                    co_await bight::sleep_for(1ms);
                    const int seven = co_await job();
                    if (seven != 7) ::_exit(9);
                    bight::reactor::current()->stop();
                    co_await bight::sleep_for(1h);
                }
                int status = 0;
                ::waitpid(*forked, &status, 0);
                if (status != 0) ::_exit(8);
                co_await bight::sleep_for(1ms);
            };
            co_await bight::finally(body(), tidy);
        };
        try {
            r.run(root());
        } catch (const bight::run_cancelled&) {
            if (*forked != 0) return 1;
            // Out of it, the child may have one of its own.
            bight::reactor own(on(kind));
            if (own.run(job()) != 7) return 2;
            ::_exit(0);
        }
        return *forked > 0 ? 0 : 3;
    });
    CHECK(parent.exit_status() == 0);
    CHECK(parent.said() == "child tidied\nparent tidied\n");
}

TEST_CASE(
    "a reactor that ran before a fork does not run in the child; one that was only made does, in both") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::reactor used(on(kind));
    bight::reactor fresh(on(kind));
    CHECK(used.run(job()) == 7);
    child c([&](const witness_pipe&) {
        try {
            used.run(job());
            return 1;
        } catch (const std::logic_error& e) {
            if (std::string(e.what()).find("forked") == std::string::npos) return 2;
        }
        if (fresh.run(job()) != 7) return 3;
        return fresh.demultiplexer_name() == test::name_of(kind) ? 0 : 4;
    });
    CHECK(fresh.run(job()) == 7);
    CHECK(c.exit_status() == 0);
    CHECK(used.run(job()) == 7);
}

TEST_CASE("in a forked child, what would wait for the parent's threads throws") {
    bight::runtime_options two;
    two.reactors = 2;
    bight::runtime all(two);
    all.run([](std::size_t) -> task<> { co_return; });
    child c([&](const witness_pipe&) {
        try {
            all.run([](std::size_t) -> task<> { co_return; });
            return 1;
        } catch (const std::logic_error&) {
        }
        try {
            bight::block_on(all.reactor(1), job());
            return 2;
        } catch (const std::system_error& e) {
            return e.code() == bight::errc::closed ? 0 : 3;
        }
    });
    CHECK(c.exit_status() == 0);
}

// The sanitizers' own locks do not stand a fork beside busy threads.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child can log and offload, whatever the threads of its parent were in the middle of") {
    bight::thread_pool pool;
    bight::set_log_handler([](bight::log_level, std::string_view, void*) {});
    std::atomic<bool> over{false};
    std::vector<std::thread> busy;
    for (int i = 0; i < 3; ++i) {
        busy.emplace_back([&] {
            while (!over) {
                bight::detail::log(bight::log_level::info, "busy");
                (void)pool.statistics();
            }
        });
    }
    int failed = 0;
    for (int i = 0; i < 50; ++i) {
        child c([&](const witness_pipe&) {
            bight::detail::log(bight::log_level::info, "here");
            bight::reactor own;
            return own.run(job(test::on_pool(pool))) == 7 ? 0 : 1;
        });
        if (c.exit_status() != 0) ++failed;
    }
    over = true;
    for (std::thread& t : busy) t.join();
    bight::set_log_handler(nullptr);
    CHECK(failed == 0);
}
#endif

TEST_CASE("a forked child draws other numbers than its parent") {
    (void)bight::random();
    child c([](const witness_pipe& pipe) {
        pipe.say(std::to_string(bight::random()));
        return 0;
    });
    CHECK(c.exit_status() == 0);
    CHECK(c.said() != std::to_string(bight::random()));
}
