#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/run.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include "support/reactors.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

// ThreadSanitizer delivers a signal only when the program makes a call that it intercepts, answers sigaction
// from a table of its own, and supports no new threads in a forked child: what depends on those is tested
// without it.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BIGHT_UNDER_TSAN
#endif
#endif

namespace {

bight::run_options without_signals() {
    bight::run_options options;
    options.handle_signals = false;
    return options;
}

// Where a child writes what it did.
class witness_pipe {
  public:
    explicit witness_pipe(int fd) : fd_(fd) {}
    void say(std::string_view text) const {
        if (::write(fd_, text.data(), text.size()) < 0) ::_exit(97);
    }

  private:
    int fd_;
};

// A process of its own with both signals at their defaults; `body(pipe)` gives its exit status. An alarm ends
// it if nothing else does, which also ends the waiting of the parent for its words.
class child {
  public:
    template <class F>
    explicit child(F body) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
        pid_ = ::fork();
        if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
        if (pid_ == 0) {
            for (const int s : {SIGINT, SIGTERM, SIGALRM}) ::signal(s, SIG_DFL);
            sigset_t none;
            ::sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
            ::alarm(30);
#ifdef BIGHT_UNDER_TSAN
            // It does not intercept io_uring_enter: a signal that it has put off just before would not end
            // that.
            ::setenv("BIGHT_REACTOR", "epoll", 1);
#endif
            ::close(ends[0]);
            int status = 98;
            try {
                status = body(witness_pipe(ends[1]));
            } catch (...) {  // an exit status that no test expects
            }
            ::_exit(status);
        }
        ::close(ends[1]);
        from_ = ends[0];
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        ::close(from_);
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    void send(int signal) const { ::kill(pid_, signal); }

    /// Waits until the child has said `text`; false when it ended first.
    bool has_said(const std::string& text) {
        while (said_.find(text) == std::string::npos) {
            if (!read_more(-1)) return false;
        }
        return true;
    }

    /// Waits for the child's end: its exit status, or 1000 plus the signal that killed it.
    int exit_status() {
        while (read_more(-1)) {
        }
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

    /// Sends a signal, and waits until it has been delivered: two of a kind that are pending together count
    /// once.
    void send_delivered(int signal) const {
        send(signal);
        while (is_pending(signal)) ::sched_yield();
    }

    const std::string& said() const { return said_; }

  private:
    bool is_pending(int signal) const {
        std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
        std::string word;
        while (status >> word) {
            if (word != "ShdPnd:") continue;
            unsigned long long mask = 0;
            status >> std::hex >> mask;
            return (mask >> (signal - 1) & 1) != 0;
        }
        return false;
    }

    // False at the end of the pipe: the child has gone.
    bool read_more(int milliseconds) {
        pollfd at{from_, POLLIN, 0};
        const int n = ::poll(&at, 1, milliseconds);
        if (n == 0 || (n < 0 && errno == EINTR)) return true;
        char buffer[4096];
        const auto got = ::read(from_, buffer, sizeof buffer);
        if (got <= 0) return false;
        said_.append(buffer, static_cast<std::size_t>(got));
        return true;
    }

    pid_t pid_ = -1;
    int from_ = -1;
    std::string said_;
};

struct on_destruction {
    const witness_pipe& to;
    std::string_view text;
    ~on_destruction() { to.say(text); }
};

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

template <class T>
task<T> fail(const char* why) {
    co_await bight::yield();
    throw std::runtime_error(why);
}

struct collected_errors {
    std::vector<std::string> reports;
    collected_errors() {
        bight::set_error_handler(
            [](const bight::error_report& report, void* self) {
                static_cast<collected_errors*>(self)->reports.push_back(report.to_string());
            },
            this);
    }
    collected_errors(const collected_errors&) = delete;
    collected_errors& operator=(const collected_errors&) = delete;
    ~collected_errors() { bight::set_error_handler(nullptr); }
};

bool is_default(int signal) {
    struct sigaction now{};
    ::sigaction(signal, nullptr, &now);
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

extern "C" void handler_of_the_program(int) {}

}  // namespace

TEST_CASE("run gives an exit status for task<void> and task<int>, and the value for any other") {
    auto nothing = []() -> task<> { co_await bight::yield(); };
    auto status = []() -> task<int> { co_return 42; };
    auto text = []() -> task<std::string> { co_return "text"; };
    auto owned = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    CHECK(bight::run(nothing()) == 0);
    CHECK(bight::run(status()) == 42);
    CHECK(bight::run(text()) == "text");
    const auto seven = bight::run(owned());
    CHECK(*seven == 7);
}

TEST_CASE("a task that fails makes the exit status 1 and is reported; with another result type run throws") {
    const collected_errors errors;
    CHECK(bight::run(fail<void>("first")) == 1);
    CHECK(bight::run(fail<int>("second")) == 1);
    REQUIRE(errors.reports.size() == 2);
    CHECK(errors.reports[0].find("error in the task given to run(): first\n") == 0);
    CHECK(errors.reports[0].find("run_test.cpp:") != std::string::npos);
    CHECK(errors.reports[1].find("second") != std::string::npos);
    CHECK_THROWS_WITH(bight::run(fail<std::string>("third")), "third");
    CHECK(errors.reports.size() == 2);
}

TEST_CASE(
    "run reports a reactor that cannot be had, with those that can, and gives 1 without running the task") {
    child c([](const witness_pipe& pipe) {
        ::setenv("BIGHT_REACTOR", "nonsense", 1);
        const collected_errors errors;
        auto never = [&]() -> task<> {
            pipe.say("ran\n");
            co_return;
        };
        const int status = bight::run(never());
        for (const auto& report : errors.reports) pipe.say(report);
        auto text = []() -> task<std::string> { co_return "text"; };
        try {
            (void)bight::run(text());
        } catch (const std::system_error& e) {
            pipe.say(e.code() == bight::errc::unavailable ? "thrown: unavailable\n"
                                                          : "thrown: something else\n");
        }
        return status;
    });
    CHECK(c.exit_status() == 1);
    CHECK(c.said().find("ran") == std::string::npos);
    CHECK(c.said().find("nonsense") != std::string::npos);
    for (const auto kind : test::demultiplexers()) {
        CHECK(c.said().find(test::name_of(kind)) != std::string::npos);
    }
    CHECK(c.said().find("thrown: unavailable") != std::string::npos);
}

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

#ifndef BIGHT_UNDER_TSAN
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
#endif

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

TEST_CASE("run puts the handlers back, and a later run begins anew") {
    child c([](const witness_pipe& pipe) {
        bool during = true;
        auto look = [&]() -> task<> {
            during = is_default(SIGTERM) || is_default(SIGINT);
            ::raise(SIGTERM);
            co_await bight::sleep_for(1h);
        };
        if (bight::run(look()) != 128 + SIGTERM) return 10;
        if (during) return 11;
        if (!is_default(SIGTERM) || !is_default(SIGINT)) return 12;
        auto fine = []() -> task<int> {
            co_await bight::yield();
            co_return 3;
        };
        if (bight::run(fine()) != 3) return 13;
        if (bight::run(look()) != 128 + SIGTERM) return 14;
        pipe.say("all\n");
        return 0;
    });
    CHECK(c.exit_status() == 0);
    CHECK(c.said() == "all\n");
}

TEST_CASE("run leaves signals that are ignored, or that the program handles, as they are") {
    child c([](const witness_pipe&) {
        ::signal(SIGINT, SIG_IGN);
        auto survive = []() -> task<int> {
            ::raise(SIGINT);
            co_await bight::sleep_for(2ms);
            co_return 4;
        };
        if (bight::run(survive()) != 4) return 10;
        ::signal(SIGINT, &handler_of_the_program);
        if (bight::run(survive()) != 4) return 11;
        struct sigaction now{};
        ::sigaction(SIGINT, nullptr, &now);
        return now.sa_handler == &handler_of_the_program ? 0 : 12;
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("without handle_signals run touches no handler") {
    child c([](const witness_pipe&) {
        auto look = []() -> task<int> { co_return is_default(SIGTERM) && is_default(SIGINT) ? 0 : 10; };
        return bight::run(look(), without_signals());
    });
    CHECK(c.exit_status() == 0);
}

#ifndef BIGHT_UNDER_TSAN
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
        if (!is_default(SIGTERM)) return 10;
        if (first != 128 + SIGTERM) return 11;
        if (second != 128 + SIGTERM) return 12;
        return late == 128 + SIGTERM ? 0 : 13;
    });
    REQUIRE(c.has_said("ready\nready\n"));
    c.send(SIGTERM);
    CHECK(c.exit_status() == 0);
}
#endif

#ifndef BIGHT_UNDER_TSAN
TEST_CASE("handlers are put back after more runs at once than can be told of a signal") {
    child c([](const witness_pipe&) {
        bight::reactor r;
        {
            std::vector<std::unique_ptr<bight::detail::signal_stop>> many;
            for (int i = 0; i < 70; ++i)
                many.push_back(std::make_unique<bight::detail::signal_stop>(r, true));
            if (is_default(SIGTERM)) return 10;
        }
        return is_default(SIGTERM) ? 0 : 11;
    });
    CHECK(c.exit_status() == 0);
}
#endif
