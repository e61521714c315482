// Signals that other processes send, and what only POSIX has of them; those that a program raises in itself
// are in raised_signals_test.cpp.
#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/run.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/offload.hpp>

#include "support/child.hpp"
#include "support/on_destruction.hpp"
#include "support/reactors.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using bight::task;
using test::child;
using test::on_destruction;
using test::witness_pipe;
using namespace std::chrono_literals;

namespace {

bight::run_options without_signals() {
    bight::run_options options;
    options.handle_signals = false;
    return options;
}

task<> wait_for_the_end(const witness_pipe& pipe) {
    pipe.say("ready\n");
    co_await bight::sleep_for(1h);
}
task<> level(const witness_pipe& pipe, int n) {
    const std::string text = "level " + std::to_string(n) + "\n";
    const on_destruction at_end{pipe, text};
    if (n == 3) {
        co_await wait_for_the_end(pipe);
    } else {
        co_await level(pipe, n + 1);
    }
}
task<> tidy(const witness_pipe& pipe, const char* text) {
    co_await bight::sleep_for(1ms);
    pipe.say(text);
}
task<> tree(const witness_pipe& pipe) {
    const on_destruction at_end{pipe, "tree\n"};
    auto clean_up = [&pipe]() { return tidy(pipe, "clean-up\n"); };
    co_await bight::finally(level(pipe, 1), clean_up);
    pipe.say("went on\n");
}

bool has_default_action(int signal) {
    struct sigaction now{};
    ::sigaction(signal, nullptr, &now);
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

extern "C" void handler_of_the_program(int) {}
extern "C" void detailed_handler_of_the_program(int, siginfo_t*, void*) {}

}  // namespace

TEST_CASE("a signal cancels the task, which unwinds in order; the exit status is 128 + its number") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    child c([&](const witness_pipe& pipe) {
        bight::run_options options;
        options.reactor.demultiplexer = kind;
        return bight::run(tree(pipe), options);
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(signal);
    CHECK(c.exit_status() == 128 + signal);
    CHECK(c.said() == "ready\nlevel 3\nlevel 2\nlevel 1\nclean-up\ntree\n");
}

TEST_CASE("a task that ends well although a signal came keeps its exit status") {
    child c([](const witness_pipe& pipe) {
        auto drains = [&]() -> task<int> {
            pipe.say("ready\n");
            co_await bight::shield(bight::sleep_for(20ms), 1h);
            co_return 5;
        };
        ::raise(SIGCONT);  // no business of run
        return bight::run(drains());
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(SIGTERM);
    CHECK(c.exit_status() == 5);
}

TEST_CASE("the second signal ends a clean-up that would take an hour") {
    child c([](const witness_pipe& pipe) {
        auto endless = [&]() -> task<> {
            const on_destruction at_end{pipe, "clean-up ended\n"};
            pipe.say("cleaning\n");
            co_await bight::sleep_for(1h);
        };
        auto root = [&]() -> task<> {
            const on_destruction at_end{pipe, "root ended\n"};
            co_await bight::finally(wait_for_the_end(pipe), endless, 2h);
        };
        return bight::run(root());
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(SIGTERM);
    REQUIRE(c.has_said("cleaning\n"));
    c.send(SIGINT);
    CHECK(c.exit_status() == 128 + SIGTERM);
    CHECK(c.said() == "ready\ncleaning\nclean-up ended\nroot ended\n");
}

TEST_CASE("the second signal ends a shield that would take an hour") {
    child c([](const witness_pipe& pipe) {
        auto root = [&]() -> task<> {
            const on_destruction at_end{pipe, "root ended\n"};
            co_await bight::shield(wait_for_the_end(pipe), 2h);
        };
        return bight::run(root());
    });
    REQUIRE(c.has_said("ready\n"));
    c.send_delivered(SIGTERM);
    c.send_delivered(SIGTERM);
    CHECK(c.exit_status() == 128 + SIGTERM);
}

TEST_CASE("the third signal ends the process at once, whatever its tasks do") {
    child c([](const witness_pipe& pipe) {
        auto stubborn = [&]() -> task<> {
            pipe.say("stuck\n");
            for (;;) ::sched_yield();
            co_return;
        };
        auto root = [&]() -> task<> {
            const on_destruction at_end{pipe, "root ended\n"};
            co_await bight::finally(wait_for_the_end(pipe), stubborn);
        };
        return bight::run(root());
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(SIGTERM);
    REQUIRE(c.has_said("stuck\n"));
    c.send_delivered(SIGINT);
    c.send(SIGINT);
    CHECK(c.exit_status() == 128 + SIGINT);
    CHECK(c.said() == "ready\nstuck\n");
}

TEST_CASE("run throws interrupted when a signal ends a task that has no exit status to give") {
    child c([](const witness_pipe& pipe) {
        auto root = [&]() -> task<std::string> {
            co_await wait_for_the_end(pipe);
            co_return "never";
        };
        try {
            (void)bight::run(root());
        } catch (const bight::interrupted& e) {
            return e.signal();
        }
        return 0;
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(SIGINT);
    CHECK(c.exit_status() == SIGINT);
}

TEST_CASE(
    "a handler of details that the program sets while it runs is not overwritten at the end of the run") {
    child c([](const witness_pipe&) {
        auto installs = []() -> task<int> {
            struct sigaction detailed{};
            detailed.sa_sigaction = &detailed_handler_of_the_program;
            detailed.sa_flags = SA_SIGINFO;
            ::sigaction(SIGUSR1, &detailed, nullptr);
            co_return 0;
        };
        if (bight::run(installs()) != 0) return 10;
        struct sigaction now{};
        ::sigaction(SIGUSR1, nullptr, &now);
        return now.sa_sigaction == &detailed_handler_of_the_program ? 0 : 13;
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("a signal that was blocked when the program began ends the task; the mask is put back") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    const bool before_the_run = GENERATE(false, true);
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    child c([&](const witness_pipe& pipe) {
        const auto blocked = [](int n) {
            sigset_t now;
            ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
            return ::sigismember(&now, n) == 1;
        };
        sigset_t mask;
        ::sigemptyset(&mask);
        for (const int n : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) ::sigaddset(&mask, n);
        ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
        if (before_the_run) ::raise(signal);
        bight::run_options options;
        options.reactor.demultiplexer = kind;
        auto root = [&]() -> task<> {
            if (!blocked(SIGUSR2)) pipe.say("no business of run\n");
            co_await wait_for_the_end(pipe);
        };
        const int status = bight::run(root(), options);
        for (const int n : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) {
            if (!blocked(n)) return 10;
        }
        return status;
    });
    if (!before_the_run) {
        REQUIRE(c.has_said("ready\n"));
        c.send(signal);
    }
    CHECK(c.exit_status() == 128 + signal);
    CHECK(c.said().find("no business of run") == std::string::npos);
}

TEST_CASE("a blocked signal that is ignored, or that the program handles, stays blocked") {
    child c([](const witness_pipe&) {
        ::signal(SIGINT, SIG_IGN);
        ::signal(SIGTERM, &handler_of_the_program);
        sigset_t mask;
        ::sigemptyset(&mask);
        ::sigaddset(&mask, SIGINT);
        ::sigaddset(&mask, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
        auto look = []() -> task<int> {
            sigset_t now;
            ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
            co_return ::sigismember(&now, SIGINT) == 1 && ::sigismember(&now, SIGTERM) == 1 ? 0 : 10;
        };
        return bight::run(look());
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("one signal ends the runs of all threads, and one that begins while they end") {
    child c([](const witness_pipe& pipe) {
        int first = 0;
        int second = 0;
        int late = 0;
        auto third = [&]() -> task<> {
            std::thread t([&] { late = bight::run(wait_for_the_end(pipe)); });
            t.join();
            co_return;
        };
        auto root = [&]() -> task<> { co_await bight::finally(wait_for_the_end(pipe), third); };
        std::thread a([&] { first = bight::run(root()); });
        std::thread b([&] { second = bight::run(wait_for_the_end(pipe)); });
        a.join();
        b.join();
        if (!has_default_action(SIGTERM)) return 10;
        if (first != 128 + SIGTERM) return 11;
        if (second != 128 + SIGTERM) return 12;
        return late == 128 + SIGTERM ? 0 : 13;
    });
    REQUIRE(c.has_said("ready\nready\n"));
    c.send(SIGTERM);
    CHECK(c.exit_status() == 0);
}

TEST_CASE("SIGUSR1 writes the tree of tasks and changes nothing else") {
    child c([](const witness_pipe& pipe) {
        bight::set_log_handler(
            [](bight::log_level level, std::string_view text, void* to) {
                if (level != bight::log_level::requested) return;
                static_cast<const witness_pipe*>(to)->say(text);
            },
            const_cast<witness_pipe*>(&pipe));
        return bight::run(wait_for_the_end(pipe));
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(SIGUSR1);
    REQUIRE(c.has_said("signals_test.cpp:"));
    CHECK(c.said().find("the task given to run(): waits for a timer") != std::string::npos);
    c.send(SIGTERM);
    CHECK(c.exit_status() == 128 + SIGTERM);
}

TEST_CASE("SIGUSR1 is left alone by those who opt out, and put back by the others") {
    child c([](const witness_pipe&) {
        auto look = []() -> task<int> { co_return has_default_action(SIGUSR1) ? 1 : 0; };
        bight::run_options options;
        options.dump_on_sigusr1 = false;
        if (bight::run(look(), options) != 1) return 10;
        if (bight::run(look(), without_signals()) != 1) return 11;
        if (bight::run(look()) != 0) return 12;
        return has_default_action(SIGUSR1) ? 0 : 13;
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("a forked child that runs nothing of bight's ends at the first signal, as any program does") {
    const bool in_a_task = GENERATE(true, false);
    CAPTURE(in_a_task);
    child parent([&](const witness_pipe& pipe) {
        auto forks = [&]() -> task<int> {
            const auto fork_one = [&] {
                const pid_t made = ::fork();
                if (made == 0) {
                    for (;;) ::pause();
                }
                return made;
            };
            pid_t worker = -1;
            if (in_a_task) {
                worker = fork_one();
            } else {
                worker = co_await bight::offload(fork_one);
            }
            ::kill(worker, SIGTERM);
            int status = 0;
            ::waitpid(worker, &status, 0);
            pipe.say(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? "ended\n" : "something else\n");
            co_return 3;
        };
        return bight::run(forks());
    });
    CHECK(parent.exit_status() == 3);
    CHECK(parent.said() == "ended\n");
}

TEST_CASE("a program whose standard error nobody reads any more goes on after its messages") {
    child one([](const witness_pipe&) {
        int ends[2];
        if (::pipe(ends) != 0 || ::dup2(ends[1], 2) < 0) return 1;
        ::close(ends[0]);
        ::close(ends[1]);
        bight::set_log_handler(nullptr, nullptr);
        auto asks = []() -> task<int> {
            ::raise(SIGUSR1);
            co_await bight::sleep_for(1ms);
            co_return 4;
        };
        return bight::run(asks());
    });
    CHECK(one.exit_status() == 4);
}
