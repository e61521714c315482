#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/retry.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/reactors.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

using bight::duration;
using bight::jitter;
using bight::retry_attempt;
using bight::retry_history;
using bight::retry_policy;
using bight::task;
using namespace std::chrono_literals;

namespace {

// Fails so often, then gives how many calls it took; notes when it was called.
struct flaky {
    int failures;
    std::vector<duration>& calls;
    const test::virtual_fixture& on;
    task<int> operator()() {
        calls.push_back(on.elapsed());
        const int number = static_cast<int>(calls.size());
        if (number <= failures) throw std::runtime_error("failure " + std::to_string(number));
        co_return number;
    }
};

// Random bits that the test sets.
struct dice {
    std::uint64_t value = 0;
    int thrown = 0;
    static std::uint64_t roll(void* self) {
        auto& d = *static_cast<dice*>(self);
        ++d.thrown;
        return d.value;
    }
};

retry_policy steady() {
    retry_policy policy;
    policy.spread = jitter::none;
    return policy;
}

std::string message(const std::exception_ptr& error) { return bight::detail::describe_error(error); }

// The message of what a retry throws, or "no error".
template <class T>
task<std::string> failure_of(task<T> t) {
    std::exception_ptr error;
    try {
        co_await std::move(t);
    } catch (...) {
        error = std::current_exception();
    }
    co_return message(error);
}

}  // namespace

static_assert(std::is_trivially_destructible_v<retry_policy>);

TEST_CASE("retry gives the value of the first attempt that succeeds, and does not wait for it") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        const int got = co_await bight::retry(retry_policy(), flaky{0, calls, on});
        CHECK(got == 1);
        CHECK(on.elapsed() == 0s);
    });
}

TEST_CASE("the pauses of retry grow by the factor, up to the cap") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        retry_policy policy = steady();
        policy.max_attempts = 7;
        policy.first_delay = 100ms;
        policy.factor = 3;
        policy.max_delay = 2s;
        const int got = co_await bight::retry(policy, flaky{6, calls, on});
        CHECK(got == 7);
        std::vector<duration> pauses;
        for (std::size_t n = 1; n < calls.size(); ++n) pauses.push_back(calls[n] - calls[n - 1]);
        CHECK(pauses == std::vector<duration>{100ms, 300ms, 900ms, 2s, 2s, 2s});
    });
}

TEST_CASE("the first pause is not longer than the cap, either") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        retry_policy policy = steady();
        policy.first_delay = 10s;
        policy.max_delay = 2s;
        const int got = co_await bight::retry(policy, flaky{2, calls, on});
        CHECK(got == 3);
        CHECK(calls == std::vector<duration>{0s, 2s, 4s});
    });
}

TEST_CASE("after the last attempt its error is thrown as it is, and the history has those before it") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        retry_history history;
        retry_policy policy = steady();
        policy.max_attempts = 3;
        policy.history = &history;
        const auto what = co_await failure_of(bight::retry(policy, flaky{9, calls, on}));
        CHECK(what == "failure 3");
        CHECK(calls.size() == 3);
        CHECK(history.attempts() == 3);
        CHECK(history.waited() == 300ms);
        REQUIRE(history.errors().size() == 3);
        CHECK(message(history.errors()[0]) == "failure 1");
        CHECK(message(history.errors()[2]) == "failure 3");
        CHECK(on.elapsed() == 300ms);  // and no pause after the last

        calls.clear();
        const int got = co_await bight::retry(policy, flaky{1, calls, on});
        CHECK(got == 2);
        CHECK(history.attempts() == 2);
        CHECK(history.errors().size() == 1);
    });
}

TEST_CASE("one attempt is one attempt; zero is any number, of which the latest errors are kept") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        retry_history history;
        retry_policy policy = steady();
        policy.history = &history;
        policy.max_attempts = 1;
        const auto what = co_await failure_of(bight::retry(policy, flaky{9, calls, on}));
        CHECK(what == "failure 1");
        CHECK(on.elapsed() == 0s);
        calls.clear();
        policy.max_attempts = 0;
        const int got = co_await bight::retry(policy, flaky{99, calls, on});
        CHECK(got == 100);
        CHECK(history.attempts() == 100);
        REQUIRE(history.errors().size() == retry_history::capacity);
        CHECK(message(history.errors().back()) == "failure 99");
    });
}

TEST_CASE("jitter draws the pause from the random source: all of it, half of it, or none") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        dice random;
        retry_policy policy;
        policy.first_delay = 100ms;
        policy.random = &dice::roll;
        policy.random_context = &random;
        const auto pause = [&](jitter spread, std::uint64_t value) -> task<duration> {
            random = dice{value};
            policy.spread = spread;
            std::vector<duration> calls;
            co_await bight::retry(policy, flaky{1, calls, on});
            co_return calls[1] - calls[0];
        };
        constexpr std::uint64_t whole = 100'000'000;
        const duration none = co_await pause(jitter::none, 5);
        CHECK(none == 100ms);
        CHECK(random.thrown == 0);
        const duration least = co_await pause(jitter::full, 0);
        CHECK(least == 0ms);
        const duration some = co_await pause(jitter::full, 12'345);
        CHECK(some == 12'345ns);
        const duration most = co_await pause(jitter::full, whole);
        CHECK(most == 100ms);
        const duration wrapped = co_await pause(jitter::full, whole + 1);
        CHECK(wrapped == 0ms);
        const duration half = co_await pause(jitter::equal, 0);
        CHECK(half == 50ms);
        const duration more = co_await pause(jitter::equal, whole / 2);
        CHECK(more == 100ms);
        CHECK(random.thrown == 1);
    });
}

TEST_CASE("jitter without a source of its own stays within its bounds, and differs") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        retry_policy policy;
        policy.max_attempts = 0;
        policy.max_delay = policy.first_delay = 100ms;
        co_await bight::retry(policy, flaky{200, calls, on});
        int above_half = 0;
        for (std::size_t n = 1; n < calls.size(); ++n) {
            CHECK(calls[n] - calls[n - 1] <= 100ms);
            if (calls[n] - calls[n - 1] > 50ms) ++above_half;
        }
        CHECK(above_half > 20);
        CHECK(above_half < 180);
    });
}

TEST_CASE("an error that is not worth another attempt is thrown at once") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int calls = 0;
        auto fails = [&]() -> task<> {
            if (++calls == 2) throw std::invalid_argument("hopeless");
            throw std::runtime_error("try again");
            co_return;
        };
        retry_policy policy = steady();
        policy.retry_if = [](const std::exception_ptr& e) { return message(e) == "try again"; };
        const auto what = co_await failure_of(bight::retry(policy, fails));
        CHECK(what == "hopeless");
        CHECK(calls == 2);
        CHECK(on.elapsed() == 100ms);

        calls = 10;
        int asked = 0;
        auto three_times = [&](const std::exception_ptr&) { return ++asked < 3; };
        policy.retry_if = nullptr;
        const auto other = co_await failure_of(bight::retry(policy, fails, three_times));
        CHECK(other == "try again");
        CHECK(calls == 13);

        auto rejects = [](const std::exception_ptr& e) -> bool {
            throw std::logic_error("instead of " + message(e));
        };
        const auto from_predicate = co_await failure_of(bight::retry(policy, fails, rejects));
        CHECK(from_predicate == "instead of try again");
    });
}

TEST_CASE("a pause that would last until the deadline is not begun: the last error is thrown at once") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        retry_policy policy = steady();
        policy.max_attempts = 0;
        policy.first_delay = 100ms;
        policy.deadline = 700ms;
        const auto what = co_await failure_of(bight::retry(policy, flaky{99, calls, on}));
        CHECK(what == "failure 3");
        CHECK(on.elapsed() == 300ms);
        calls.clear();
        policy.deadline = 701ms;
        const auto later = co_await failure_of(bight::retry(policy, flaky{99, calls, on}));
        CHECK(later == "failure 4");
        CHECK(on.elapsed() == 1000ms);
    });
}

TEST_CASE("an attempt that runs at the deadline is cancelled, and has timed out") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        retry_history history;
        retry_policy policy = steady();
        policy.max_attempts = 0;
        policy.deadline = 1s;
        policy.history = &history;
        std::vector<duration> remaining;
        auto slow = [&](const retry_attempt& attempt) -> task<int> {
            remaining.push_back(attempt.remaining);
            CHECK(attempt.number == remaining.size());
            CHECK(attempt.elapsed + attempt.remaining == 1s);
            co_await bight::sleep_for(300ms);
            throw std::runtime_error("slow");
        };
        std::error_code code;
        try {
            co_await bight::retry(policy, slow);
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == bight::errc::timed_out);
        CHECK(on.elapsed() == 1s);
        CHECK(remaining == std::vector<duration>{1s, 600ms, 100ms});
        CHECK(history.errors().size() == 3);
        CHECK(message(history.errors()[1]) == "slow");
    });
}

TEST_CASE("retry can be cancelled in an attempt and in a pause, and makes no further attempt") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int calls = 0;
        auto waits = [&]() -> task<int> {
            ++calls;
            co_await bight::sleep_for(1h);
            co_return 1;
        };
        const auto in_attempt = co_await bight::try_with_timeout(bight::retry(steady(), waits), 10ms);
        CHECK_FALSE(in_attempt);
        CHECK(calls == 1);
        auto fails = [&]() -> task<int> {
            ++calls;
            throw std::runtime_error("no");
            co_return 1;
        };
        const auto in_pause = co_await bight::try_with_timeout(bight::retry(steady(), fails), 10ms);
        CHECK_FALSE(in_pause);
        CHECK(calls == 2);
        retry_policy eager = steady();
        eager.max_attempts = 0;
        eager.first_delay = 0s;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { co_await bight::retry(eager, fails); });
            for (int turn = 0; turn < 5; ++turn) co_await bight::yield();
            g.cancel();
        });
        CHECK(calls >= 4);
        CHECK(calls < 10);
        CHECK(on.elapsed() == 20ms);
    });
}

TEST_CASE("retry gives nothing, references and values that only move; anything of bight's can be awaited") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int number = 5;
        int& same = co_await bight::retry(steady(), [&]() -> task<int&> { co_return number; });
        CHECK(&same == &number);
        auto owned = co_await bight::retry(
            steady(), []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(1); });
        CHECK(*owned == 1);
        co_await bight::retry(steady(), [] { return bight::sleep_for(5ms); });
        CHECK(on.elapsed() == 5ms);
        retry_policy bounded = steady();
        bounded.deadline = 1s;
        int& again = co_await bight::retry(bounded, [&]() -> task<int&> { co_return number; });
        CHECK(&again == &number);
        co_await bight::retry(bounded, [] { return bight::sleep_for(5ms); });
    });
}

TEST_CASE("what the callable throws before it gives a task is a failed attempt too") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int calls = 0;
        auto made = [&] {
            if (++calls < 3) throw std::runtime_error("not yet");
            return bight::sleep_for(0s);
        };
        co_await bight::retry(steady(), made);
        CHECK(calls == 3);
    });
}

TEST_CASE("a policy that makes no sense is refused before anything is called") {
    test::virtual_fixture on;
    int calls = 0;
    auto never = [&]() -> task<> {
        ++calls;
        co_return;
    };
    const auto refused = [&](auto change) {
        retry_policy policy;
        change(policy);
        CHECK_THROWS_AS(bight::retry(policy, never), std::invalid_argument);
    };
    refused([](retry_policy& p) { p.first_delay = -1ns; });
    refused([](retry_policy& p) { p.max_delay = -1ns; });
    refused([](retry_policy& p) { p.factor = 0.5; });
    refused([](retry_policy& p) { p.factor = std::nan(""); });
    refused([](retry_policy& p) { p.deadline = 0s; });
    refused([](retry_policy& p) { p.deadline = -1s; });
    CHECK(calls == 0);
}

TEST_CASE("the back-off does not overflow") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<duration> calls;
        retry_history history;
        retry_policy policy = steady();
        policy.max_attempts = 4;
        policy.factor = std::numeric_limits<double>::infinity();
        policy.max_delay = 5s;
        policy.history = &history;
        co_await failure_of(bight::retry(policy, flaky{9, calls, on}));
        CHECK(history.waited() == 100ms + 10s);
        policy.factor = 1e300;
        policy.max_delay = duration::max();
        const auto stuck = co_await bight::try_with_timeout(bight::retry(policy, flaky{99, calls, on}), 24h);
        CHECK_FALSE(stuck);
        CHECK(history.attempts() == 2);
    });
}

TEST_CASE("no attempt begins after the deadline, though a pause lasted longer than it should") {
    bight::virtual_clock time(bight::virtual_clock::mode::manual);
    bight::reactor_options options;
    options.clock = &time;
    bight::reactor r(options);
    int attempts = 0;
    std::string what;
    auto body = [&]() -> task<> {
        bight::retry_policy policy;
        policy.first_delay = 9s;
        policy.spread = bight::jitter::none;
        policy.deadline = 10s;
        auto fails = [&]() -> task<> {
            ++attempts;
            throw std::runtime_error("the last one");
            co_return;
        };
        try {
            co_await bight::retry(policy, fails);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    };
    r.start(body);
    while (r.run_once()) continue;
    time.advance(20s);  // the reactor was held up
    while (r.run_once()) continue;
    CHECK(attempts == 1);
    CHECK(what == "the last one");
}
