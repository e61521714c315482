// What signal_watch does with the signals of POSIX, and with processes.
#include "children.hpp"

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/reactors.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/when_all.hpp>
#include <bight/os/process.hpp>
#include <bight/os/signal_watch.hpp>
#include <bight/thread/offload.hpp>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using bight::received_signal;
using bight::signal_watch;
using bight::task;
using test::reactor_fixture;
using namespace std::chrono_literals;

namespace {

struct sigaction present_action_of(int signal) {
    struct sigaction now{};
    ::sigaction(signal, nullptr, &now);
    return now;
}
bool has_default(int signal) {
    const struct sigaction now = present_action_of(signal);
    return (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
}

bool is_blocked_here(int signal) {
    sigset_t now;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
    return ::sigismember(&now, signal) == 1;
}
void set_blocked_here(int signal, bool blocks) {
    sigset_t only;
    ::sigemptyset(&only);
    ::sigaddset(&only, signal);
    ::pthread_sigmask(blocks ? SIG_BLOCK : SIG_UNBLOCK, &only, nullptr);
}

task<received_signal> taken_from(signal_watch& w) {
    const received_signal came = co_await w.next();
    co_return came;
}

std::atomic<int> own_calls{0};
void counting_handler(int) { ++own_calls; }
struct sigaction found_below{};
void chaining_handler(int number, siginfo_t* info, void* context) {
    ++own_calls;
    if ((found_below.sa_flags & SA_SIGINFO) != 0) found_below.sa_sigaction(number, info, context);
}

}  // namespace

TEST_CASE("the sender of a signal is told: another process, this one; not the kernel") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        signal_watch w{SIGHUP, SIGCHLD, SIGALRM};
        const pid_t other = ::fork();
        if (other == 0) {
            ::kill(::getppid(), SIGHUP);
            ::_exit(0);
        }
        bool hung_up = false;
        bool ended = false;
        while (!hung_up || !ended) {
            const received_signal came = co_await taken_from(w);
            CHECK(came.sender == (came.number == SIGHUP ? other : 0));
            hung_up = hung_up || came.number == SIGHUP;
            ended = ended || came.number == SIGCHLD;
        }
        ::waitpid(other, nullptr, 0);
        ::kill(::getpid(), SIGHUP);
        received_signal came = co_await taken_from(w);
        CHECK(came.sender == ::getpid());
        ::ualarm(1000, 0);
        came = co_await taken_from(w);
        CHECK(came.number == SIGALRM);
        CHECK(came.sender == 0);
    });
}

TEST_CASE("a real-time signal that is queued is told once; those of the C library are refused") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
#if defined(SIGRTMIN)
        const int number = SIGRTMIN + 1;
        signal_watch w{number, SIGRTMAX};
        CHECK(bight::signal_name(number) == "SIGRTMIN+1");
        sigval value{};
        for (int i = 0; i < 3; ++i) ::sigqueue(::getpid(), number, value);
        const received_signal came = co_await taken_from(w);
        CHECK(came.number == number);
        CHECK(came.sender == ::getpid());
        CHECK_FALSE(w.try_next());
        ::sigqueue(::getpid(), SIGRTMAX, value);
        const received_signal last = co_await taken_from(w);
        CHECK(last.number == SIGRTMAX);
#endif
        for (const int refused : {SIGKILL, SIGSTOP, SIGBUS, SIGSYS, SIGTRAP, 32}) {
            try {
                const signal_watch none{refused};
                FAIL(refused);
            } catch (const std::system_error& e) {
                CHECK(e.code() == std::errc::invalid_argument);
                CHECK_THAT(e.what(), Catch::Contains(bight::signal_name(refused)));
            }
        }
        co_return;
    });
}

TEST_CASE("the former action is put back whole: flags, mask and all") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    struct sigaction mine{};
    mine.sa_sigaction = &chaining_handler;
    mine.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&mine.sa_mask);
    sigaddset(&mine.sa_mask, SIGUSR2);
    struct sigaction before{};
    ::sigaction(SIGUSR1, &mine, &before);
    own_calls = 0;
    on.run([]() -> task<> {
        signal_watch w{SIGUSR1};
        ::raise(SIGUSR1);
        const received_signal came = co_await taken_from(w);
        CHECK(came.number == SIGUSR1);
    });
    CHECK(own_calls == 0);
    const struct sigaction now = present_action_of(SIGUSR1);
    CHECK(now.sa_sigaction == &chaining_handler);
    CHECK((now.sa_flags & (SA_SIGINFO | SA_NODEFER | SA_RESTART)) == (SA_SIGINFO | SA_NODEFER));
    CHECK(sigismember(&now.sa_mask, SIGUSR2) == 1);
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("a handler above bight's may call it, during the watch and after it, and below another one") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    struct sigaction before{};
    struct sigaction counting{};
    counting.sa_handler = &counting_handler;
    ::sigaction(SIGUSR1, &counting, &before);
    own_calls = 0;
    on.run([]() -> task<> {
        struct sigaction chaining{};
        chaining.sa_sigaction = &chaining_handler;
        chaining.sa_flags = SA_SIGINFO;
        {
            signal_watch w{SIGUSR1};
            ::sigaction(SIGUSR1, &chaining, &found_below);
            ::raise(SIGUSR1);
            const received_signal came = co_await taken_from(w);
            CHECK(came.number == SIGUSR1);
            CHECK(own_calls == 1);
        }
        ::raise(SIGUSR1);  // the one above, bight's, and the one that was there first
        CHECK(own_calls == 3);
        {
            signal_watch again{SIGUSR1};
            ::raise(SIGUSR1);
            CHECK(own_calls == 3);
            CHECK(again.try_next());
        }
        ::raise(SIGUSR1);
        CHECK(own_calls == 5);
        co_return;
    });
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("a signal that the thread blocks is told, also one that was pending; it is blocked again") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        set_blocked_here(SIGHUP, true);
        ::raise(SIGHUP);
        {
            auto first = std::make_unique<signal_watch>(std::initializer_list<int>{SIGHUP});
            signal_watch second{SIGHUP};
            const received_signal came = co_await taken_from(*first);
            CHECK(came.number == SIGHUP);
            first.reset();
            CHECK_FALSE(is_blocked_here(SIGHUP));
            ::raise(SIGHUP);
            CHECK(second.try_next());
        }
        CHECK(is_blocked_here(SIGHUP));
        CHECK(has_default(SIGHUP));
        set_blocked_here(SIGHUP, false);
    });
}

TEST_CASE("a forked child has the actions that were there before, and its copy of a watch does no harm") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    reactor_fixture on(kind);
    on.run([]() -> task<> {
        auto w = std::make_unique<signal_watch>(std::initializer_list<int>{SIGHUP, SIGUSR2});
        ::raise(SIGUSR2);
        const pid_t made = ::fork();
        if (made == 0) {
            if (!has_default(SIGHUP) || !has_default(SIGUSR2)) ::_exit(1);
            ::signal(SIGUSR2, &counting_handler);
            own_calls = 0;
            ::raise(SIGUSR2);
            if (own_calls != 1) ::_exit(2);
            w.reset();
            if (present_action_of(SIGUSR2).sa_handler != &counting_handler) ::_exit(3);
            auto own = [&]() -> task<int> {
                signal_watch of_child{SIGHUP};
                ::raise(SIGHUP);
                const received_signal came = co_await of_child.next();
                co_return came.number == SIGHUP ? 0 : 4;
            };
            int status = 5;
            std::thread([&] { status = bight::reactor().run(own()); }).join();
            if (status != 0) ::_exit(status);
            ::raise(SIGHUP);  // nobody is told: the default action
            ::_exit(6);
        }
        int status = 0;
        ::waitpid(made, &status, 0);
        CAPTURE(status);
        CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP));
        const received_signal came = co_await taken_from(*w);
        CHECK(came.number == SIGUSR2);
        CHECK_FALSE(w->try_next());
    });
}

TEST_CASE("a child program has the default action of what is watched, and its end is told beside a watch") {
    test::with_children([]() -> task<> {
        signal_watch w{SIGHUP, SIGCHLD};
        bight::process child = bight::process::spawn(test::shell("kill -HUP $$; exit 3"));
        const bight::process_status how = co_await child.wait();
        CHECK(how.signal() == SIGHUP);
        const received_signal came = co_await taken_from(w);
        CHECK(came.number == SIGCHLD);
        CHECK_FALSE(w.try_next());
    });
}

TEST_CASE("the watch and the children of a reactor may go in any order; SIGCHLD is as before then") {
    const bool watch_first = GENERATE(true, false);
    own_calls = 0;
    struct sigaction mine{};
    mine.sa_handler = &counting_handler;
    struct sigaction before{};
    ::sigaction(SIGCHLD, &mine, &before);
    test::with_children([watch_first]() -> task<> {
        auto w = std::make_unique<signal_watch>(std::initializer_list<int>{SIGCHLD});
        std::optional<bight::process> child(bight::process::spawn(test::shell("read x").pipe_to(0)));
        if (watch_first) w.reset();
        const int calls = own_calls;
        co_await child->standard_input().close();
        const bight::process_status how = co_await child->wait();
        CHECK(how.code() == 1);
        child.reset();
        if (w) co_await w->next();
        CHECK(own_calls > calls);
    });
    CHECK(present_action_of(SIGCHLD).sa_handler == &counting_handler);
    ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("a program that ignores SIGCHLD leaves no child behind, also while it is watched") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    struct sigaction ignored{};
    ignored.sa_handler = SIG_IGN;
    struct sigaction before{};
    ::sigaction(SIGCHLD, &ignored, &before);
    on.run([]() -> task<> {
        signal_watch w{SIGCHLD};
        const pid_t made = ::fork();
        if (made == 0) ::_exit(0);
        co_await w.next();
        CHECK((::waitpid(made, nullptr, 0) < 0 && errno == ECHILD));
    });
    CHECK(present_action_of(SIGCHLD).sa_handler == SIG_IGN);
    ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("in a storm of signals from other threads the last one is told, and none is told twice") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        constexpr int sent_by_each = 2000;
        signal_watch w{SIGUSR1, SIGUSR2, SIGTERM};
        std::atomic<int> sent = 0;
        std::vector<std::thread> senders;
        for (const int number : {SIGUSR1, SIGUSR2}) {
            senders.emplace_back([number, &sent] {
                for (int i = 0; i < sent_by_each; ++i) {
                    ++sent;
                    ::kill(::getpid(), number);
                }
                if (number == SIGUSR1) ::kill(::getpid(), SIGTERM);
            });
        }
        int told = 0;
        for (bool ended = false; !ended;) {
            const received_signal came = co_await taken_from(w);
            if (came.number == SIGTERM) {
                ended = true;
            } else {
                ++told;
                CHECK(told <= sent);
            }
        }
        co_await bight::offload([&] {
            for (auto& t : senders) t.join();
        });
        while (w.try_next()) {
        }
        CHECK(told >= 1);
        ::kill(::getpid(), SIGUSR2);
        const received_signal came = co_await taken_from(w);
        CHECK(came.number == SIGUSR2);
    });
}

TEST_CASE("watches come and go while signals come: each is told, or has the former action") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    struct sigaction mine{};
    mine.sa_handler = &counting_handler;
    struct sigaction before{};
    ::sigaction(SIGUSR1, &mine, &before);
    std::atomic<bool> over = false;
    std::thread sends([&] {
        while (!over) {
            ::kill(::getpid(), SIGUSR1);
            std::this_thread::yield();
        }
    });
    std::vector<std::thread> reactors;
    for (int i = 0; i < 2; ++i) {
        reactors.emplace_back([kind] {
            bight::reactor r(test::options_on(kind));
            auto program = []() -> task<> {
                for (int n = 0; n < 200; ++n) {
                    signal_watch w{SIGUSR1};
                    if (n % 2 == 0) co_await w.next();
                }
            };
            r.run(program());
        });
    }
    for (auto& t : reactors) t.join();
    over = true;
    sends.join();
    CHECK(present_action_of(SIGUSR1).sa_handler == &counting_handler);
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("a terminating signal in the moment when its watch goes is told or has its default action") {
    test::child c([](const test::witness_pipe&) {
        std::thread([] {
            for (;;) ::kill(::getpid(), SIGHUP);  // one that is not taken goes with its watch
        }).detach();
        auto program = []() -> task<> {
            for (;;) {
                signal_watch w{SIGHUP};
                if (w.try_next()) co_return;
            }
        };
        bight::reactor().run(program());
        return 0;
    });
    const int status = c.exit_status();
    CHECK((status == 0 || status == 1000 + SIGHUP));
}

TEST_CASE("bight's handler that somebody puts back when nobody needs it any more has the default effect") {
    test::child c([](const test::witness_pipe& pipe) {
        struct sigaction found{};
        auto program = [&]() -> task<> {
            const signal_watch w{SIGHUP};
            struct sigaction ignores{};
            ignores.sa_handler = SIG_IGN;
            ::sigaction(SIGHUP, &ignores, &found);
            co_return;
        };
        bight::reactor().run(program());
        ::raise(SIGHUP);
        pipe.say("ignored\n");
        ::sigaction(SIGHUP, &found, nullptr);
        auto again = [&]() -> task<> {
            signal_watch w{SIGHUP};
            ::raise(SIGHUP);
            if (w.try_next()) pipe.say("told\n");
            co_return;
        };
        bight::reactor().run(again());
        ::sigaction(SIGHUP, &found, nullptr);
        ::raise(SIGHUP);
        return 0;
    });
    CHECK(c.exit_status() == 1000 + SIGHUP);
    CHECK(c.said() == "ignored\ntold\n");
}

TEST_CASE("the descriptor of a reactor in another loop is readable when a signal has come") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    if (r.descriptor() < 0) return;
    int number = 0;
    auto waits = [&]() -> task<> {
        signal_watch w{SIGHUP};
        const received_signal came = co_await taken_from(w);
        number = came.number;
    };
    r.start(waits);
    while (r.run_once()) {
    }
    pollfd loop{r.descriptor(), POLLIN, 0};
    CHECK(::poll(&loop, 1, 0) == 0);
    ::raise(SIGHUP);
    while (number == 0) {
        REQUIRE(::poll(&loop, 1, 10'000) == 1);
        r.run_once();
    }
    CHECK(number == SIGHUP);
}
