// Running a reactor: what comes out of run, stopping, single turns, and threads.
#include <bight/core/finally.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include "support/death.hpp"
#include "support/reactors.hpp"
#include "support/sleep_long.hpp"
#include "support/thread_count.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using test::sleep_long;

task<int> give(int value) {
    co_await bight::yield();
    co_return value;
}
task<> fail(const char* what) {
    co_await bight::yield();
    throw std::runtime_error(what);
}
// Says when it is destroyed.
class leaver {
  public:
    explicit leaver(bool& left) noexcept : left_(left) {}
    leaver(const leaver&) = delete;
    leaver& operator=(const leaver&) = delete;
    ~leaver() { left_ = true; }

  private:
    bool& left_;
};

}  // namespace

TEST_CASE("run gives the value of its task, whatever its type") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    int there = 3;
    auto only_moves = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    auto reference = [&]() -> task<int&> { co_return there; };
    CHECK(on.run(give(42)) == 42);
    CHECK(*on.reactor().run(only_moves()) == 7);
    CHECK(&on.reactor().run(reference()) == &there);
}

TEST_CASE("run throws the error of its task, and the reactor can run again") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    CHECK_THROWS_WITH(on.run(fail("out of run")), "out of run");
    CHECK(on.run(give(1)) == 1);
}

TEST_CASE("run_to_status is what main returns") {
    test::reactor_fixture on(any_demultiplexer);
    bight::reactor& r = on.reactor();
    auto nothing = []() -> task<> { co_return; };
    CHECK(r.run_to_status(nothing()) == 0);
    CHECK(r.run_to_status(give(3)) == 3);
    CHECK(r.run_to_status(fail("reported")) == 1);
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("reported") != std::string::npos);
    r.stop();
    CHECK(r.run_to_status(sleep_long()) == -1);
}

TEST_CASE("run throws run_cancelled when its task was cancelled, and the reactor can run again") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    bool left = false;
    auto stops = [&]() -> task<> {
        const leaver l(left);
        r.stop();
        r.stop();
        co_await bight::sleep_for(1h);
    };
    CHECK_THROWS_AS(on.run(stops), bight::run_cancelled);
    CHECK(left);
    CHECK(on.run(give(2)) == 2);
}

TEST_CASE("an option that no reactor can have is refused by its name, whatever the demultiplexer") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto refusal = [kind](auto change) {
        bight::reactor_options options;
        options.demultiplexer = kind;
        change(options);
        std::string said;
        try {
            const bight::reactor made(options);
        } catch (const std::invalid_argument& e) {
            said = e.what();
        }
        return said;
    };
    CHECK(refusal([](auto& o) { o.receive_buffers = 1000; }) ==
          "reactor_options::receive_buffers is 1000; it is a power of two, from 1 to 32768");
    CHECK(refusal([](auto& o) { o.receive_buffers = 65536; }) ==
          "reactor_options::receive_buffers is 65536; it is a power of two, from 1 to 32768");
    CHECK(refusal([](auto& o) { o.submission_entries = 0; }) ==
          "reactor_options::submission_entries is 0; it is from 1 to 16384");
    CHECK(refusal([](auto& o) { o.submission_entries = 16385; }) ==
          "reactor_options::submission_entries is 16385; it is from 1 to 16384");
    CHECK(refusal([](auto& o) { o.stall_limit = std::chrono::seconds(-1); }) ==
          "reactor_options::stall_limit is negative; zero is for no warnings");
    CHECK(refusal([](auto& o) { o.bulk_memory = 64; }) ==
          "reactor_options::bulk_memory is 64 bytes; it is 0, or room for one large buffer: 65536 or more");
    CHECK(refusal([](auto& o) { o.bulk_memory = 0; }).empty());
    CHECK(refusal([](auto& o) { o.submission_entries = 16384; }).empty());
}

TEST_CASE("a stop before run ends that run, and no later one") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.reactor().stop();
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    CHECK(on.run(give(2)) == 2);
}

TEST_CASE("a thread can stop a reactor that sleeps") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    test::thread_count begun;
    std::thread stopper([&] {
        begun.wait_until(1);
        on.reactor().stop();
    });
    auto waits = [&]() -> task<> {
        begun.add();
        co_await bight::sleep_for(1h);
    };
    CHECK_THROWS_AS(on.run(waits), bight::run_cancelled);
    stopper.join();
}

TEST_CASE("run within run is an error, of the same reactor and of another") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        CHECK_THROWS_AS(on.reactor().run(give(1)), std::logic_error);
        CHECK_THROWS_AS(on.reactor().run_once(), std::logic_error);
        bight::reactor other;
        CHECK_THROWS_AS(other.run(give(1)), std::logic_error);
        CHECK(bight::reactor::current() == &on.reactor());
        co_return;
    });
    CHECK(bight::reactor::current() == nullptr);
}

TEST_CASE("a reactor that runs on one thread cannot run on a second one") {
    test::reactor_fixture on(any_demultiplexer);
    bight::reactor& r = on.reactor();
    test::thread_count tried;
    bool refused = false;
    std::thread second;
    auto body = [&]() -> task<> {
        second = std::thread([&] {
            try {
                r.run_once();
            } catch (const std::logic_error&) {
                refused = true;
            }
            tried.add();
        });
        tried.wait_until(1);
        co_return;
    };
    on.run(body);
    second.join();
    CHECK(refused);
}

TEST_CASE("two reactors run on two threads") {
    std::atomic<int> done{0};
    auto life = [&done](bight::demultiplexer_kind kind, long& sum) {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        auto count = [&]() -> task<> {
            for (int i = 0; i < 1000; ++i) {
                ++sum;
                if (bight::reactor::current() != &r) sum = -1'000'000;
                co_await bight::yield();
                if (i % 100 == 0) co_await bight::sleep_for(10us);
            }
            ++done;
        };
        r.run(count());
    };
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        long here = 0;
        long there = 0;
        done = 0;
        std::thread other(life, kind, std::ref(there));
        life(kind, here);
        other.join();
        CHECK(here == 1000);
        CHECK(there == 1000);
        CHECK(done == 2);
    }
}

TEST_CASE("current and in_this_thread tell where a reactor runs") {
    test::reactor_fixture on(any_demultiplexer);
    bight::reactor& r = on.reactor();
    CHECK(bight::reactor::current() == nullptr);
    CHECK_FALSE(r.in_this_thread());
    bool elsewhere = true;
    on.run([&]() -> task<> {
        CHECK(bight::reactor::current() == &r);
        CHECK(r.in_this_thread());
        std::thread([&] { elsewhere = r.in_this_thread(); }).join();
        co_return;
    });
    CHECK_FALSE(elsewhere);
    CHECK_FALSE(r.in_this_thread());
}

TEST_CASE("current, used where no reactor runs, throws an error that names the line") {
    using Catch::Contains;
    CHECK_THROWS_AS(bight::reactor::current()->now(), std::logic_error);
    CHECK_THROWS_WITH(bight::reactor::current()->now(),
                      Contains("reactor_test.cpp:") && Contains("where no reactor runs on this thread"));
    CHECK_THROWS_AS((void)*bight::reactor::current(), std::logic_error);
    CHECK_FALSE(bight::reactor::current());
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        CHECK(&*bight::reactor::current() == &on.reactor());
        bight::reactor* const here = bight::reactor::current();
        CHECK(here == &on.reactor());
        co_return;
    });
}

TEST_CASE("the error of a started task goes to the error handler, with the task's name") {
    test::reactor_fixture on(any_demultiplexer);
    on.reactor().start(fail("nobody takes it"));
    on.run([]() -> task<> { co_await bight::sleep_for(1ms); });
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("a task given to start()") == 0);
    CHECK(reports[0].find("nobody takes it") != std::string::npos);
    CHECK(reports[0].find("reactor_test.cpp") != std::string::npos);
}

TEST_CASE("destroying a reactor cancels what start began, and runs its clean-ups without patience") {
    test::reactor_fixture on(any_demultiplexer);
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        bool left = false;
        bool cleaned = false;
        bool went_on = false;
        bool never_begun = true;
        auto clean = [&]() -> task<> {
            co_await bight::yield();
            cleaned = true;
            co_await bight::sleep_for(1h);  // without patience: cut short
            went_on = true;
        };
        auto works = [&]() -> task<> {
            const leaver l(left);
            co_await bight::finally(sleep_long(), clean);
            went_on = true;
        };
        auto late = [&]() -> task<> {
            co_await bight::yield();
            never_begun = false;
        };
        {
            bight::reactor_options options;
            options.demultiplexer = kind;
            bight::reactor r(options);
            r.start(works);
            r.run(give(0));
            r.start(late);
            CHECK_FALSE(left);
        }
        CHECK(left);
        CHECK(cleaned);
        CHECK_FALSE(went_on);
        CHECK(never_begun);
    }
}

TEST_CASE("run_once runs one turn, and says whether anything ran") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    CHECK_FALSE(r.has_ready());
    CHECK_FALSE(r.run_once());
    CHECK_FALSE(r.run_once(1ms));
    int steps = 0;
    auto count = [&]() -> task<> {
        for (; steps < 3; ++steps) co_await bight::yield();
    };
    r.start(count);
    CHECK(r.has_ready());
    CHECK(steps == 0);
    for (int i = 1; i <= 3; ++i) {
        CHECK(r.run_once());
        CHECK(steps == i - 1);
    }
    while (r.run_once()) {
    }
    CHECK(steps == 3);
    CHECK_FALSE(r.has_ready());
}

TEST_CASE("run_once with a limit waits for the next deadline") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    CHECK(r.next_deadline() == bight::time_point::max());
    const auto deadline = bight::clock::now() + 3ms;
    bool woke = false;
    auto sleeps = [&]() -> task<> {
        co_await bight::sleep_until(deadline);
        woke = true;
    };
    r.start(sleeps);
    CHECK(r.run_once());
    CHECK(r.next_deadline() == deadline);
    CHECK(r.statistics().live_timers == 1);
    for (int i = 0; i < 100 && !woke; ++i) r.run_once(1h);
    CHECK(woke);
    CHECK(bight::clock::now() >= deadline);
    CHECK(r.next_deadline() == bight::time_point::max());
}

TEST_CASE(
    "a reactor that is destroyed with tasks where it cannot run ends the program, and says what to do") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    // All but io_uring can run on another thread; none can within another reactor.
    const bool on_another_thread = kind == bight::demultiplexer_kind::io_uring && GENERATE(true, false);
    const std::string said = test::dying_words([&] {
        bight::reactor_options options;
        options.demultiplexer = kind;
        auto gone = std::make_unique<bight::reactor>(options);
        auto waits = []() -> task<> { co_await bight::sleep_for(1h); };
        const auto begin = [&] {
            gone->start(waits);
            gone->run_once();
        };
        if (on_another_thread) {
            std::thread(begin).join();
            gone.reset();
        } else {
            begin();
            bight::reactor other(options);
            other.run([&]() -> task<> {
                gone.reset();
                co_return;
            }());
        }
    });
    CHECK_THAT(said, Catch::Contains("a reactor was destroyed where it cannot run") &&
                         Catch::Contains("destroy it where it ran"));
}
