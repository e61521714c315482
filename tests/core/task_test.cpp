#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/run.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/when_all.hpp>

#include "support/reactors.hpp"

#include <pthread.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;

task<int> answer() { co_return 42; }
task<> nothing_at_all() { co_return; }
task<int&> pick(std::vector<int>& from) { co_return from[1]; }
task<std::unique_ptr<int>> make_unique_answer() { co_return std::make_unique<int>(42); }
task<int> fail(const char* why) {
    co_await bight::yield();
    throw std::runtime_error(why);
}

// Has no default constructor and is not assignable: a task's value is stored as it is.
class odd {
  public:
    explicit odd(int n) : n_(n) {}
    odd(odd&&) = default;
    odd& operator=(odd&&) = delete;
    int value() const { return n_; }

  private:
    int n_;
};
task<odd> make_odd() { co_return odd(7); }

// Says on destruction that it went.
class witness {
  public:
    witness(std::vector<std::string>& log, std::string name) : log_(log), name_(std::move(name)) {}
    witness(const witness&) = delete;
    witness& operator=(const witness&) = delete;
    ~witness() { log_.push_back(name_); }

  private:
    std::vector<std::string>& log_;
    std::string name_;
};

task<> note(std::vector<std::string>& log, const char* text) {
    log.push_back(text);
    co_return;
}

// Runs `f` on a thread whose stack is that small.
void on_small_stack(std::size_t bytes, std::function<void()> f) {
    pthread_attr_t attributes;
    REQUIRE(::pthread_attr_init(&attributes) == 0);
    REQUIRE(::pthread_attr_setstacksize(&attributes, bytes) == 0);
    pthread_t thread{};
    const auto body = [](void* call) -> void* {
        (*static_cast<std::function<void()>*>(call))();
        return nullptr;
    };
    REQUIRE(::pthread_create(&thread, &attributes, body, &f) == 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
}

constexpr int million = 1'000'000;
constexpr std::size_t small_stack = 1 << 20;

task<int> one() { co_return 1; }
task<int> descend(int n) {
    if (n == 0) co_return 0;
    const int below = co_await descend(n - 1);
    co_return below + 1;
}
task<> descend_and_sleep(int n, long& unwound) {
    struct counter {
        long& count;
        ~counter() { ++count; }
    };
    const counter here{unwound};
    if (n == 0) {
        co_await bight::sleep_for(1h);
    } else {
        co_await descend_and_sleep(n - 1, unwound);
    }
}
task<int> descend_and_throw(int n) {
    if (n == 0) throw std::runtime_error("from the bottom");
    const int below = co_await descend_and_throw(n - 1);
    co_return below + 1;
}

#ifdef __clang__  // which warns of what is tried here
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wreturn-type"
#endif
task<int> number_if(bool wanted) {
    co_await bight::yield();
    if (wanted) co_return 1;
}
task<std::string> text_if(bool wanted) {
    if (wanted) co_return "text";
}
task<int&> reference_if(bool wanted, int& to) {
    if (wanted) co_return to;
}
task<std::unique_ptr<int>> pointer_if(bool wanted) {
    if (wanted) co_return std::make_unique<int>(1);
}
#ifdef __clang__
#pragma clang diagnostic pop
#endif

}  // namespace

TEST_CASE("a task that runs off its end without a value fails, and the error names its coroutine") {
    using Catch::Contains;
    test::reactor_fixture on(any_demultiplexer);
    int n = 0;
    CHECK(on.run(number_if(true)) == 1);
    CHECK(on.run(text_if(true)) == "text");
    CHECK(&on.run(reference_if(true, n)) == &n);
    CHECK(*on.run(pointer_if(true)) == 1);
    CHECK_THROWS_AS(on.run(number_if(false)), std::logic_error);
    CHECK_THROWS_WITH(on.run(number_if(false)), Contains("number_if at ") && Contains("task_test.cpp:") &&
                                                    Contains("ran off its end without a co_return"));
    CHECK_THROWS_WITH(on.run(text_if(false)), Contains("text_if at "));
    CHECK_THROWS_WITH(on.run(reference_if(false, n)), Contains("reference_if at "));
    CHECK_THROWS_WITH(on.run(pointer_if(false)), Contains("pointer_if at "));
    on.run([&]() -> task<> {
        std::string caught;
        try {
            co_await bight::when_all(number_if(true), text_if(false));
        } catch (const std::logic_error& e) {
            caught = e.what();
        }
        CHECK_THAT(caught, Contains("text_if at "));
    });
}

TEST_CASE("a task gives its value: void, a value, a reference, one that only moves") {
    test::reactor_fixture on(any_demultiplexer);
    CHECK(on.run(answer()) == 42);
    on.run(nothing_at_all());
    CHECK(*on.run(make_unique_answer()) == 42);
    CHECK(on.run(make_odd()).value() == 7);
    std::vector<int> numbers{1, 2, 3};
    CHECK(&on.run(pick(numbers)) == &numbers[1]);
    on.run([&]() -> task<> {
        co_await nothing_at_all();
        int& second = co_await pick(numbers);
        second = 20;
        const auto owned = co_await make_unique_answer();
        CHECK(*owned == 42);
    });
    CHECK(numbers == std::vector<int>{1, 20, 3});
}

TEST_CASE("an exception leaves a task at the await, and can be caught there") {
    test::reactor_fixture on(any_demultiplexer);
    CHECK_THROWS_WITH(on.run(fail("deep")), "deep");
    std::string caught;
    on.run([&]() -> task<> {
        try {
            const int never = co_await fail("caught");
            CHECK(never == 0);
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
        const int after = co_await answer();
        CHECK(after == 42);
    });
    CHECK(caught == "caught");
}

TEST_CASE("an exception passes through every frame and runs the destructors innermost first") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<std::string> log;
    auto inner = [&]() -> task<> {
        const witness here(log, "inner");
        co_await bight::yield();
        throw std::logic_error("x");
    };
    auto outer = [&]() -> task<> {
        const witness here(log, "outer");
        co_await inner();
    };
    CHECK_THROWS_AS(on.run(outer()), std::logic_error);
    CHECK(log == std::vector<std::string>{"inner", "outer"});
}

TEST_CASE("a task does nothing until it is awaited") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<std::string> log;
    on.run([&]() -> task<> {
        auto later = note(log, "awaited");
        log.push_back("made");
        co_await bight::yield();
        co_await std::move(later);
    });
    CHECK(log == std::vector<std::string>{"made", "awaited"});
}

TEST_CASE("dropping a task that was never awaited frees its frame and its parameters without running it") {
    const long before = bight::detail::live_frames();
    const auto shared = std::make_shared<int>(1);
    std::vector<std::string> log;
    auto holding = [&log](std::shared_ptr<int> held) -> task<> {
        log.push_back("ran");
        (void)held;
        co_return;
    };
    {
        auto t = holding(shared);
        CHECK(bight::detail::live_frames() == before + 1);
        CHECK(shared.use_count() == 2);
        auto moved = std::move(t);
        moved = holding(shared);  // the first one goes here
        (void)moved;
        CHECK(bight::detail::live_frames() == before + 1);
    }
    CHECK(shared.use_count() == 1);
    CHECK(log.empty());
    CHECK(bight::detail::live_frames() == before);
}

TEST_CASE("the frame of an awaited task is freed before its awaiter goes on") {
    test::reactor_fixture on(any_demultiplexer);
    const auto shared = std::make_shared<int>(1);
    auto holding = [](std::shared_ptr<int> held) -> task<long> { co_return held.use_count(); };
    on.run([&]() -> task<> {
        const long inside = co_await holding(shared);
        CHECK(inside >= 2);
        CHECK(shared.use_count() == 1);
    });
}

TEST_CASE("a loop of a million awaits runs in bounded stack") {
    int sum = 0;
    on_small_stack(small_stack, [&] {
        bight::reactor r;
        auto loop = []() -> task<int> {
            int total = 0;
            for (int i = 0; i < million; ++i) total += co_await one();
            co_return total;
        };
        sum = r.run(loop());
    });
    CHECK(sum == million);
}

TEST_CASE("a chain of a million awaits runs in bounded stack") {
    int depth = 0;
    on_small_stack(small_stack, [&] {
        bight::reactor r;
        depth = r.run(descend(million));
    });
    CHECK(depth == million);
}

TEST_CASE("a chain of a million awaits is cancelled in bounded stack") {
    long unwound = 0;
    bool cancelled = false;
    on_small_stack(small_stack, [&] {
        bight::reactor r;
        r.post([&] { r.stop(); });
        try {
            r.run(descend_and_sleep(million, unwound));
        } catch (const bight::run_cancelled&) {
            cancelled = true;
        }
    });
    CHECK(cancelled);
    CHECK((unwound == 0 || unwound == million + 1));  // 0: it was stopped before it began
}

TEST_CASE("a chain of a million awaits that sleeps is cancelled in bounded stack") {
    long unwound = 0;
    on_small_stack(small_stack, [&] {
        bight::reactor r;
        auto stopped = [&]() -> task<> {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(descend_and_sleep(million, unwound));
                co_await bight::yield();
                co_await bight::yield();
                g.cancel();
            });
        };
        r.run(stopped());
    });
    CHECK(unwound == million + 1);
}

TEST_CASE("an exception passes through a deep chain in bounded stack") {
    std::string what;
    on_small_stack(small_stack, [&] {
        bight::reactor r;
        try {
            (void)r.run(descend_and_throw(20'000));
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    });
    CHECK(what == "from the bottom");
}
