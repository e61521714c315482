// A reactor inside a CFRunLoop: here on a stand-in that does what Apple's documentation says of it.
#include "core_foundation/run_loop.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/core/core_foundation.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

using bight::task;
using namespace std::chrono_literals;

namespace {

// A reactor in the run loop of this thread, on each demultiplexer that has a descriptor. At the end nothing
// of Core Foundation's is left.
template <class Body>
void in_a_run_loop(Body body) {
    for (const auto kind : test::demultiplexers()) {
        if (!test::has_descriptor(kind)) continue;
        CAPTURE(kind);
        const long before = test::live_core_foundation_objects();
        {
            test::reactor_fixture on(kind);
            std::optional<bight::core_foundation_loop> loop(std::in_place, on.reactor());
            body(on, loop);
        }
        test::forget_run_loop();
        CHECK(test::live_core_foundation_objects() == before);
    }
}

void stop_run_loop() { CFRunLoopStop(CFRunLoopGetCurrent()); }

// Calls a function once, in the run loop of this thread, after so many seconds.
class later {
  public:
    later(double seconds, std::function<void()> call) : call_(std::move(call)) {
        CFRunLoopTimerContext context{0, this, nullptr, nullptr, nullptr};
        const auto fire = [](CFRunLoopTimerRef, void* self) { static_cast<later*>(self)->call_(); };
        timer_ = CFRunLoopTimerCreate(kCFAllocatorDefault, CFAbsoluteTimeGetCurrent() + seconds, 1e9, 0, 0,
                                      fire, &context);
        CFRunLoopAddTimer(CFRunLoopGetCurrent(), timer_, kCFRunLoopCommonModes);
    }
    later(const later&) = delete;
    later& operator=(const later&) = delete;
    ~later() {
        CFRunLoopTimerInvalidate(timer_);
        CFRelease(timer_);
    }

  private:
    std::function<void()> call_;
    CFRunLoopTimerRef timer_;
};

// How often the run loop of this thread is about to sleep.
class sleeps {
  public:
    sleeps() {
        CFRunLoopObserverContext context{0, this, nullptr, nullptr, nullptr};
        const auto count = [](CFRunLoopObserverRef, CFRunLoopActivity, void* self) {
            ++static_cast<sleeps*>(self)->count_;
        };
        observer_ =
            CFRunLoopObserverCreate(kCFAllocatorDefault, kCFRunLoopBeforeWaiting, true, 0, count, &context);
        CFRunLoopAddObserver(CFRunLoopGetCurrent(), observer_, kCFRunLoopCommonModes);
    }
    sleeps(const sleeps&) = delete;
    sleeps& operator=(const sleeps&) = delete;
    ~sleeps() {
        CFRunLoopObserverInvalidate(observer_);
        CFRelease(observer_);
    }
    int count() const noexcept { return count_; }

  private:
    int count_ = 0;
    CFRunLoopObserverRef observer_;
};

// Runs the run loop of this thread within a callback, as a modal dialogue does, for 20 ms. How often it
// slept.
int modal_dialogue() {
    const sleeps slept;
    const later end(0.02, [] { stop_run_loop(); });
    CFRunLoopRun();
    return slept.count();
}

}  // namespace

TEST_CASE("core_foundation: tasks, timers and connections run in a run loop, which sleeps in between") {
    in_a_run_loop([](test::reactor_fixture& on, auto&) {
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        const test::raw_socket ours(ends[0]);
        const test::raw_socket theirs(ends[1]);
        const std::string where = "fd:" + std::to_string(ends[0]);
        std::string got;
        auto conversation = [&]() -> task<> {
            auto peer = co_await bight::connect(where);
            auto first = co_await peer.read_some();
            got = first.to_string();
            co_await bight::sleep_for(20ms);
            co_await peer.write("answer");
            stop_run_loop();
        };
        on.reactor().start(conversation);
        const later question(0.02, [&] { theirs.send("question"); });
        const auto polls = on.reactor().statistics().polls;
        CFRunLoopRun();
        CHECK(got == "question");
        CHECK(on.reactor().statistics().polls - polls < 30);
        while (on.reactor().has_ready()) on.reactor().run_once();
    });
}

TEST_CASE("core_foundation: a task that a callback of the run loop starts begins before the loop sleeps") {
    in_a_run_loop([](test::reactor_fixture& on, auto&) {
        auto end = []() -> task<> {
            stop_run_loop();
            co_return;
        };
        const later start(0.01, [&] { on.reactor().start(end); });
        bool too_late = false;
        const later limit(5, [&] {
            too_late = true;
            stop_run_loop();
        });
        CFRunLoopRun();
        CHECK_FALSE(too_late);
        while (on.reactor().has_ready()) on.reactor().run_once();
    });
}

TEST_CASE("core_foundation: calls and a stop from another thread wake the run loop") {
    in_a_run_loop([](test::reactor_fixture& on, auto&) {
        bool posted = false;
        bool cancelled = false;
        auto waits = [&]() -> task<> {
            auto ends = [&]() -> task<> {
                cancelled = true;
                stop_run_loop();
                co_return;
            };
            co_await bight::finally(bight::sleep_for(1h), ends);
        };
        on.reactor().start(waits);
        std::thread other([&] {
            std::this_thread::sleep_for(10ms);
            on.reactor().post([&] { posted = true; });
            std::this_thread::sleep_for(10ms);
            on.reactor().stop();
        });
        CFRunLoopRun();
        other.join();
        CHECK(posted);
        CHECK(cancelled);
        while (on.reactor().has_ready()) on.reactor().run_once();
    });
}

TEST_CASE("core_foundation: a task may end the reactor's time in the run loop, which goes on without it") {
    in_a_run_loop([](test::reactor_fixture& on, auto& loop) {
        int turns = 0;
        auto ends_it = [&]() -> task<> {
            for (; turns < 3; ++turns) co_await bight::sleep_for(1ms);
            loop.reset();
            co_await bight::sleep_for(1ms);
            ++turns;
        };
        on.reactor().start(ends_it);
        const later limit(0.05, [] { stop_run_loop(); });
        CFRunLoopRun();
        CHECK(turns == 3);
        on.reactor().stop();
        for (int i = 0; i < 100 && on.reactor().statistics().live_tasks > 0; ++i) on.reactor().run_once();
    });
}

TEST_CASE("core_foundation: a run loop within a task gives the reactor no turns until it has ended") {
    in_a_run_loop([](test::reactor_fixture& on, auto& loop) {
        bool within = false;
        int turns_within = 0;
        int slept = 0;
        auto modal = [&]() -> task<> {
            on.reactor().post([] {});  // a turn is due
            within = true;
            slept = modal_dialogue();
            within = false;
            co_await bight::sleep_for(1ms);
            stop_run_loop();
        };
        auto other = [&]() -> task<> {
            for (;;) {
                if (within) ++turns_within;
                co_await bight::sleep_for(2ms);
            }
        };
        on.reactor().start(other);
        on.reactor().start(modal);
        CFRunLoopRun();
        CHECK(turns_within == 0);
        CHECK(slept < 10);
        CHECK(loop->error() == nullptr);
        on.reactor().stop();
        while (on.reactor().has_ready()) on.reactor().run_once();
    });
}

TEST_CASE("core_foundation: a run loop within a task of one reactor leaves another one in its place") {
    test::need(bight::demultiplexer_kind::epoll);
    const long before = test::live_core_foundation_objects();
    {
        bight::reactor one(test::options_on(bight::demultiplexer_kind::epoll));
        bight::reactor two(test::options_on(bight::demultiplexer_kind::epoll));
        const bight::core_foundation_loop first(one);
        const bight::core_foundation_loop second(two);
        int ticks = 0;
        int ticks_within = 0;
        int slept = 0;
        auto counts = [&]() -> task<> {
            for (;;) {
                co_await bight::sleep_for(1ms);
                ++ticks;
            }
        };
        auto modal = [&]() -> task<> {
            while (ticks == 0) co_await bight::sleep_for(1ms);
            const int so_far = ticks;
            two.post([] {});  // a turn of the other is due
            slept = modal_dialogue();
            ticks_within = ticks - so_far;
            while (ticks < so_far + 3) co_await bight::sleep_for(1ms);
            stop_run_loop();
        };
        one.start(modal);
        two.start(counts);
        CFRunLoopRun();
        CHECK(ticks_within == 0);
        CHECK(ticks >= 4);
        CHECK(slept < 10);
        CHECK(first.error() == nullptr);
        CHECK(second.error() == nullptr);
    }
    test::forget_run_loop();
    CHECK(test::live_core_foundation_objects() == before);
}

TEST_CASE("core_foundation: an error that ends the reactor's waits stops the run loop, and is kept") {
    test::need(bight::demultiplexer_kind::epoll);
    const long before = test::live_core_foundation_objects();
    {
        test::reactor_fixture on(bight::demultiplexer_kind::epoll);
        bight::core_foundation_loop in_here(on.reactor(), CFRunLoopGetCurrent());
        CHECK(in_here.error() == nullptr);
        // For a while, its descriptor is another one, which has no events.
        const int fd = on.reactor().descriptor();
        const int kept = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
        const int other = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        REQUIRE(::dup2(other, fd) == fd);
        CFRunLoopRun();
        CHECK(in_here.error() != nullptr);
        REQUIRE(::dup2(kept, fd) == fd);
        ::close(kept);
        ::close(other);
    }
    test::forget_run_loop();
    CHECK(test::live_core_foundation_objects() == before);
}

TEST_CASE("core_foundation: a reactor without a descriptor is refused") {
    for (const auto kind : test::demultiplexers()) {
        if (test::has_descriptor(kind) || kind == bight::demultiplexer_kind::kqueue) continue;
        test::reactor_fixture on(kind);
        CHECK_THROWS_WITH(bight::core_foundation_loop(on.reactor()), Catch::Contains("has no descriptor"));
        test::forget_run_loop();
    }
}
