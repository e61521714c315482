// Signals, and the threads that bight makes for itself.
#include <bight/core/result.hpp>
#include <bight/core/run.hpp>
#include <bight/core/task.hpp>
#include <bight/net/resolver.hpp>
#include <bight/thread/offload.hpp>
#include <bight/thread/thread_pool.hpp>

#include "support/child.hpp"
#include "support/reactors.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>

using bight::task;
using namespace std::chrono_literals;

namespace {

bool blocks(int signal) {
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    return sigismember(&blocked, signal) == 1;
}

}  // namespace

TEST_CASE("a signal that a task blocks waits for it, whatever threads bight has made for itself") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::child c([kind](const test::witness_pipe& pipe) {
        bight::run_options options;
        options.reactor.demultiplexer = kind;
        options.reactor.stall_limit = 1h;  // which takes a thread
        auto waits = [&]() -> task<int> {
            // A service that only a thread knows of.
            (void)co_await bight::as_result(bight::system_resolver().resolve("127.0.0.1", "no-service"));
            pipe.say("has threads\n");
            sigset_t mine;
            sigemptyset(&mine);
            sigaddset(&mine, SIGUSR2);
            ::pthread_sigmask(SIG_BLOCK, &mine, nullptr);
            ::kill(::getpid(), SIGUSR2);
            int got = 0;
            ::sigwait(&mine, &got);
            pipe.say(got == SIGUSR2 ? "told\n" : "something else\n");
            co_return 3;
        };
        return bight::run(waits(), options);
    });
    CHECK(c.exit_status() == 3);
    CHECK(c.said() == "has threads\ntold\n");
}

TEST_CASE("a pool's threads handle the signals that their maker does, or none but those of their own deeds") {
    const bool handles = GENERATE(true, false);
    test::reactor_fixture on(test::any_demultiplexer);
    on.run([handles]() -> task<> {
        bight::thread_pool_options options;
        options.handles_signals = handles;
        bight::thread_pool pool(options);
        bight::offload_options there;
        there.pool = &pool;
        const bool maker_blocks = blocks(SIGUSR2);
        auto look = [&] {
            CHECK(blocks(SIGUSR2) == (maker_blocks || !handles));
            CHECK(blocks(SIGTERM) == !handles);
            for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF})
                CHECK_FALSE(blocks(own));
        };
        co_await bight::offload(look, there);
        CHECK(blocks(SIGUSR2) == maker_blocks);
        CHECK_FALSE(blocks(SIGTERM));
    });
}
