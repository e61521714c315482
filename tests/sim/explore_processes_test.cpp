// Processes of sim::explore that end, or do not, in ways that no test means: nothing is missed, and nobody
// waits for ever.
#include "support/catch.hpp"
#include "support/exploring.hpp"

#include <bight/bight.hpp>
#include <bight/sim/explore.hpp>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using Catch::Contains;
using test::turn_for_ever;
namespace sim = bight::sim;

namespace {

// What all processes see.
class shared_count {
  public:
    shared_count()
        : at_(::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0)) {
        REQUIRE(at_ != MAP_FAILED);
        new (at_) std::atomic<int>(0);
    }
    shared_count(const shared_count&) = delete;
    shared_count& operator=(const shared_count&) = delete;
    ~shared_count() { ::munmap(at_, sizeof(std::atomic<int>)); }
    std::atomic<int>& operator*() const noexcept { return *static_cast<std::atomic<int>*>(at_); }

  private:
    void* at_;
};

}  // namespace

TEST_CASE("a process that closes its descriptors and turns for ever is ended, and its seed hangs") {
    auto options = test::quiet(20);
    options.limit_for_each = 1s;
    const auto result = sim::explore(
        [](sim::world& w) {
            if (w.seed() != 5) return;
            for (int fd = 3; fd < 1024; ++fd) ::close(fd);
            turn_for_ever();
        },
        options);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->seed == 5);
    CHECK(result.failure->kind == sim::failure_kind::hang);
}

TEST_CASE("a process that is killed is replaced, and its seed runs again") {
    const std::array<shared_count, 4> killed;
    const shared_count runs;
    auto options = test::quiet(40);
    options.run_twice_each = 0;
    const auto result = sim::explore(
        [&](sim::world& w) {
            if (w.seed() % 10 == 5 && (*killed[w.seed() / 10])++ == 0) ::raise(SIGKILL);
            ++*runs;
        },
        options);
    INFO((result.failure ? result.failure->report : ""));
    CHECK(result.ok());
    CHECK(result.seeds == 40);
    CHECK(*runs == 40);
    for (const shared_count& times : killed) CHECK(*times == 2);
}

TEST_CASE("a seed whose process is killed each time is a failure that says how") {
    const auto result = sim::explore(
        [](sim::world& w) {
            if (w.seed() == 5) ::raise(SIGKILL);
        },
        test::quiet(10));
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->seed == 5);
    CHECK(result.failure->kind == sim::failure_kind::crash);
    CHECK_THAT(result.failure->what, Contains("SIGKILL") && Contains("memory"));
}

TEST_CASE(
    "memory that runs out after other runs is said to be that, in a second run of a seed as in another") {
    auto options = test::quiet(20);
    options.jobs = 1;
    int runs = 0;
    const auto explore = [&](int enough_for) {
        runs = 0;
        return sim::explore(
            [&, enough_for](sim::world&) {
                if (++runs > enough_for) throw std::bad_alloc();
            },
            options);
    };
    options.run_twice_each = 1;
    const auto twice = explore(1);
    options.run_twice_each = 0;
    const auto later = explore(3);
    for (const sim::exploration* result : {&twice, &later}) {
        REQUIRE_FALSE(result->ok());
        INFO(result->failure->report);
        CHECK(result->failure->kind == sim::failure_kind::out_of_memory);
        CHECK_THAT(result->failure->report, Contains("(out of memory): std::bad_alloc") &&
                                                Contains("memory ran out after other runs"));
    }
    CHECK(twice.failure->seed == 1);
    CHECK(later.failure->seed == 4);
}

TEST_CASE("memory that runs out in each run of a seed is an error of the test") {
    const auto result = sim::explore(
        [](sim::world& w) {
            if (w.seed() == 5) throw std::bad_alloc();
        },
        test::quiet(10));
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->kind == sim::failure_kind::error);
    CHECK(result.failure->what == "std::bad_alloc: std::bad_alloc");
}

TEST_CASE("a process that ends while a child of its own keeps the pipe is a crash, and no hang") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const auto result = sim::explore(
        [&](sim::world& w) {
            if (w.seed() != 3) return;
            if (::fork() == 0) {  // until the test has ended
                ::close(ends[1]);
                char byte = 0;
                const auto end = ::read(ends[0], &byte, 1);
                ::_exit(end == 0 ? 0 : 1);
            }
            ::_exit(7);
        },
        test::quiet(10));
    ::close(ends[1]);
    ::close(ends[0]);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->seed == 3);
    CHECK(result.failure->kind == sim::failure_kind::crash);
    CHECK_THAT(result.failure->what, Contains("status 7"));
}

namespace {

// While it lives, children that end are handled so.
class child_signal {
  public:
    explicit child_signal(void (*handler)(int), int flags = 0) {
        struct sigaction action{};
        action.sa_handler = handler;
        action.sa_flags = flags;
        REQUIRE(::sigaction(SIGCHLD, &action, &before_) == 0);
    }
    child_signal(const child_signal&) = delete;
    child_signal& operator=(const child_signal&) = delete;
    ~child_signal() { ::sigaction(SIGCHLD, &before_, nullptr); }

    static struct sigaction now() {
        struct sigaction action{};
        REQUIRE(::sigaction(SIGCHLD, nullptr, &action) == 0);
        return action;
    }

  private:
    struct sigaction before_{};
};

void takes_every_child(int) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
}

}  // namespace

TEST_CASE("explore sees how its processes end, whatever the program does about SIGCHLD") {
    const auto check = [] {
        const auto good = sim::explore([](sim::world& w) { w.run_for(1s); }, test::quiet(40));
        CHECK(good.ok());
        CHECK(good.seeds == 40);
        const auto bad = sim::explore(
            [](sim::world& w) {
                if (w.seed() == 5) ::abort();
            },
            test::quiet(40));
        REQUIRE_FALSE(bad.ok());
        INFO(bad.failure->report);
        CHECK(bad.failure->seed == 5);
        CHECK(bad.failure->kind == sim::failure_kind::crash);
        CHECK_THAT(bad.failure->what, Contains("SIGABRT"));
    };
    SECTION("ignores it") {
        const child_signal ignored(SIG_IGN);
        check();
        CHECK(child_signal::now().sa_handler == SIG_IGN);
    }
    SECTION("wants no zombies") {
        const child_signal ignored(SIG_DFL, SA_NOCLDWAIT);
        check();
        CHECK((child_signal::now().sa_flags & SA_NOCLDWAIT) != 0);
    }
    SECTION("takes every child that ends") {
        const child_signal handled(takes_every_child, SA_RESTART);
        check();
        CHECK(child_signal::now().sa_handler == takes_every_child);
    }
}

TEST_CASE("a thread that takes every child that ends takes the result of none") {
    std::atomic<bool> stop = false;
    std::thread reaper([&stop] {
        while (!stop) {
            takes_every_child(0);
            std::this_thread::yield();
        }
    });
    const auto good = sim::explore([](sim::world& w) { w.run_for(1s); }, test::quiet(40));
    const auto bad = sim::explore(
        [](sim::world& w) {
            if (w.seed() == 5) throw std::runtime_error("the fifth");
        },
        test::quiet(40));
    stop = true;
    reaper.join();
    CHECK(good.ok());
    CHECK(good.seeds == 40);
    REQUIRE_FALSE(bad.ok());
    INFO(bad.failure->report);
    CHECK(bad.failure->seed == 5);
    CHECK_THAT(bad.failure->what, Contains("the fifth"));
}
