#include <bight/core/deferred.hpp>
#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/generator/generator.hpp>

#include "common.hpp"

#include "support/child.hpp"
#include "support/reactors.hpp"

#include <sys/resource.h>

#include <concepts>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using bight::generator;
using bight::task;
using test::count_to;
using namespace std::chrono_literals;

namespace {

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

generator<int> count_slowly(int last, bight::duration each) {
    for (int n = 1; n <= last; ++n) {
        co_await bight::sleep_for(each);
        co_yield n;
    }
}

generator<int> no_items() { co_return; }

generator<std::string> fail_after(int items) {
    for (int n = 0; n < items; ++n) co_yield std::to_string(n);
    co_await bight::yield();
    throw std::runtime_error("no more");
}

generator<int> watched(std::vector<std::string>& log) {
    const witness outer(log, "outer");
    for (int n = 1;; ++n) {
        const witness inner(log, "inner " + std::to_string(n));
        co_yield n;
        log.push_back("after " + std::to_string(n));
    }
}

task<int> first_of(generator<int>& from) {
    auto item = co_await from.next();
    co_return item ? *item : -1;
}

}  // namespace

static_assert(std::same_as<generator<int>::item_type, std::optional<int>>);
static_assert(std::same_as<generator<const int&>::item_type, const int*>);
static_assert(std::is_nothrow_move_constructible_v<generator<int>>);
static_assert(!std::is_copy_constructible_v<generator<int>>);

TEST_CASE("a generator gives its items one by one, then nothing, ever after") {
    test::virtual_fixture on;
    std::vector<int> got;
    on.run([&]() -> task<> {
        auto numbers = count_to(3);
        while (auto n = co_await numbers.next()) got.push_back(*n);
        CHECK(numbers.done());
        const auto again = co_await numbers.next();
        CHECK_FALSE(again);
        auto none = no_items();
        const auto nothing = co_await none.next();
        CHECK_FALSE(nothing);
    });
    CHECK(got == std::vector<int>{1, 2, 3});
}

TEST_CASE("the body of a generator may await between its items") {
    test::virtual_fixture on;
    std::vector<bight::duration> at;
    on.run([&]() -> task<> {
        auto numbers = count_slowly(3, 10ms);
        while (auto n = co_await numbers.next()) at.push_back(on.elapsed());
    });
    CHECK(at == std::vector<bight::duration>{10ms, 20ms, 30ms});
}

TEST_CASE("a generator is lazy: its body runs only while its next item is waited for") {
    test::virtual_fixture on;
    std::vector<std::string> log;
    on.run([&]() -> task<> {
        auto body = [&]() -> generator<int> {
            log.push_back("begins");
            co_yield 1;
            log.push_back("goes on");
            co_yield 2;
            log.push_back("ends");
        };
        {
            auto never = body();
            co_await bight::yield();
        }
        CHECK(log.empty());
        auto numbers = body();
        co_await numbers.next();
        CHECK(log == std::vector<std::string>{"begins"});
        co_await bight::sleep_for(1s);
        CHECK(log == std::vector<std::string>{"begins"});
        co_await numbers.next();
        co_await numbers.next();
        CHECK(log == std::vector<std::string>{"begins", "goes on", "ends"});
    });
}

TEST_CASE("the items of a generator may be references, of any constness, and can be changed in place") {
    test::virtual_fixture on;
    std::vector<int> numbers{1, 2, 3};
    on.run([&]() -> task<> {
        auto each = [&]() -> generator<int&> {
            for (int& n : numbers) co_yield n;
        };
        auto all = each();
        while (int* n = co_await all.next()) *n *= 10;
        auto look = [&]() -> generator<const int&> {
            for (int& n : numbers) co_yield n;
        };
        auto seen = look();
        const int* first = co_await seen.next();
        CHECK(first == &numbers[0]);
    });
    CHECK(numbers == std::vector<int>{10, 20, 30});
}

TEST_CASE("the items of a generator may be of a type that only moves, or that a conversion makes") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto make = []() -> generator<std::unique_ptr<int>> {
            co_yield std::make_unique<int>(1);
            auto second = std::make_unique<int>(2);
            co_yield std::move(second);
            co_yield nullptr;
        };
        auto all = make();
        auto one = co_await all.next();
        CHECK(**one == 1);
        auto two = co_await all.next();
        CHECK(**two == 2);
        CHECK(**one == 1);
        auto null = co_await all.next();
        CHECK(null);
        CHECK(*null == nullptr);
        auto words = []() -> generator<std::string> {
            const std::string kept = "kept";
            co_yield kept;
            co_yield "literal";
            co_yield std::string(3, 'x');
            CHECK(kept == "kept");
        };
        auto all_words = words();
        std::string text;
        while (auto word = co_await all_words.next()) text += *word + ' ';
        CHECK(text == "kept literal xxx ");
    });
}

TEST_CASE("an error of the body comes out of next, and ends the generator") {
    test::virtual_fixture on;
    std::string what;
    on.run([&]() -> task<> {
        auto words = fail_after(2);
        int items = 0;
        try {
            while (auto word = co_await words.next()) ++items;
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(items == 2);
        CHECK(words.done());
        const auto again = co_await words.next();
        CHECK_FALSE(again);
        auto at_once = fail_after(0);
        CHECK_FALSE(at_once.done());
        try {
            co_await at_once.next();
        } catch (const std::runtime_error& e) {
            what += ", " + std::string(e.what());
        }
    });
    CHECK(what == "no more, no more");
}

TEST_CASE("an error that leaves a generator carries the lines of the generator and of its consumers") {
    test::virtual_fixture on;
    auto consumer = [&]() -> task<> {
        auto words = fail_after(0);
        co_await words.next();
    };
    on.reactor().start(consumer);
    on.run([&]() -> task<> { co_await bight::sleep_for(1ms); });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].find("fail_after") != std::string::npos);
    CHECK(errors[0].find("generator_test.cpp") != errors[0].rfind("generator_test.cpp"));
}

TEST_CASE("what making an item throws is thrown at the co_yield, where the body can catch it") {
    struct fussy {
        explicit fussy(int value) : n(value) {
            if (value == 2) throw std::invalid_argument("two");
        }
        int n;
    };
    test::virtual_fixture on;
    std::vector<int> got;
    on.run([&]() -> task<> {
        auto make = []() -> generator<fussy> {
            for (int n = 1; n <= 3; ++n) {
                bool refused = false;
                try {
                    co_yield n;
                } catch (const std::invalid_argument&) {
                    refused = true;
                }
                if (refused) co_yield 20;
            }
        };
        auto all = make();
        while (auto item = co_await all.next()) got.push_back(item->n);
    });
    CHECK(got == std::vector<int>{1, 20, 3});
}

TEST_CASE("an item whose move throws is lost, and the generator goes on") {
    struct explosive {
        explosive(int value, bool is_live) : n(value), live(is_live) {}
        explosive(explosive&& other) : n(other.n), live(other.live) {
            if (live) throw std::runtime_error("moved");
        }
        int n;
        bool live;
    };
    test::virtual_fixture on;
    std::vector<int> got;
    on.run([&]() -> task<> {
        auto make = []() -> generator<explosive> {
            explosive bad{1, false};
            bad.live = true;
            bool thrown = false;
            try {
                co_yield std::move(bad);
            } catch (const std::runtime_error&) {
                thrown = true;
            }
            CHECK(thrown);
            explosive good{2, false};
            co_yield std::move(good);
        };
        auto all = make();
        while (auto item = co_await all.next()) got.push_back(item->n);
    });
    CHECK(got == std::vector<int>{2});
}

TEST_CASE("a generator that is dropped between two items is destroyed at once, destructors and all") {
    test::virtual_fixture on;
    std::vector<std::string> log;
    on.run([&]() -> task<> {
        {
            auto all = watched(log);
            co_await all.next();
            co_await all.next();
            log.clear();
        }
        CHECK(log == std::vector<std::string>{"inner 2", "outer"});
        log.clear();
        auto a = watched(log);
        co_await a.next();
        a = watched(log);
        CHECK(log == std::vector<std::string>{"inner 1", "outer"});
        log.clear();
        const auto first = co_await a.next();
        CHECK(*first == 1);
        auto b = std::move(a);
        CHECK(a.done());  // NOLINT(bugprone-use-after-move): an empty generator is one that has ended
        const auto none = co_await a.next();
        CHECK_FALSE(none);
        const auto second = co_await b.next();
        CHECK(*second == 2);
    });
}

TEST_CASE("cancelling a task that waits in next unwinds the body of the generator first, then the task") {
    test::virtual_fixture on;
    std::vector<std::string> log;
    on.run([&]() -> task<> {
        auto inner = [&]() -> generator<int> {
            const witness here(log, "inner generator");
            co_yield 1;
            co_await bight::sleep_for(1h);
            co_yield 2;
        };
        auto outer = [&]() -> generator<int> {
            const witness here(log, "outer generator");
            auto from = inner();
            while (auto n = co_await from.next()) co_yield *n;
        };
        auto consumer = [&]() -> task<> {
            const witness here(log, "consumer");
            auto from = outer();
            while (auto n = co_await from.next()) log.push_back("item");
        };
        const bool in_time = co_await bight::try_with_timeout(consumer(), 10ms);
        CHECK_FALSE(in_time);
        CHECK(on.elapsed() == 10ms);
    });
    CHECK(log == std::vector<std::string>{"item", "inner generator", "outer generator", "consumer"});
}

TEST_CASE("a generator whose next was cancelled says so, instead of seeming to have ended") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto slow = count_slowly(3, 10ms);
        const auto first = co_await slow.next();
        CHECK(*first == 1);
        const auto late = co_await bight::try_with_timeout(slow.next(), 1ms);
        CHECK_FALSE(late);
        CHECK(slow.done());
        for (int again = 0; again < 2; ++again) {
            std::error_code code;
            try {
                co_await slow.next();
            } catch (const std::system_error& e) {
                code = e.code();
            }
            CHECK(code == std::errc::operation_canceled);
        }
        auto moved = std::move(slow);
        CHECK_THROWS_AS(moved.next().await_ready(), std::system_error);
        moved = count_to(1);
        const auto new_one = co_await moved.next();
        CHECK(*new_one == 1);
    });
}

TEST_CASE("an item that is there when the cancellation comes is delivered") {
    test::virtual_fixture on;
    std::vector<int> got;
    on.run([&]() -> task<> {
        bight::deferred<int> source;
        auto relay = [&]() -> generator<int> {
            const int value = co_await source;
            co_yield value;
            co_yield value + 1;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto consumer = [&]() -> task<> {
                auto all = relay();
                while (auto n = co_await all.next()) got.push_back(*n);
            };
            g.spawn(consumer);
            co_await bight::sleep_for(1ms);
            source.set_value(7);
            g.cancel();
        });
    });
    CHECK(got == std::vector<int>{7});
}

TEST_CASE("clean-up that awaits runs when a generator is cancelled inside of finally") {
    test::virtual_fixture on;
    std::vector<std::string> log;
    on.run([&]() -> task<> {
        auto careful = [&]() -> generator<int> {
            co_yield 1;
            auto clean = [&]() -> task<> {
                co_await bight::sleep_for(5ms);
                log.push_back("clean");
            };
            auto wait = []() -> task<> { co_await bight::sleep_for(1h); };
            co_await bight::finally(wait(), clean);
            co_yield 2;
        };
        auto consumer = [&]() -> task<> {
            auto all = careful();
            while (auto n = co_await all.next()) log.push_back("item");
        };
        co_await bight::try_with_timeout(consumer(), 10ms);
    });
    CHECK(log == std::vector<std::string>{"item", "clean"});
    CHECK(on.elapsed() == 15ms);
}

TEST_CASE("a second task that asks for an item gets busy, and the first goes on") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto slow = count_slowly(2, 10ms);
        std::error_code code;
        int got = 0;
        auto first = [&]() -> task<> { got = co_await first_of(slow); };
        auto second = [&]() -> task<> {
            co_await bight::sleep_for(1ms);
            try {
                co_await slow.next();
            } catch (const std::system_error& e) {
                code = e.code();
            }
        };
        co_await bight::when_all(first(), second());
        CHECK(code == bight::errc::busy);
        CHECK(got == 1);
        const auto next = co_await slow.next();
        CHECK(*next == 2);
    });
}

TEST_CASE("a generator may go from one task to another between two items") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto slow = count_slowly(3, 10ms);
        auto one = [&]() -> task<int> { co_return co_await first_of(slow); };
        const int a = co_await bight::with_timeout(one(), 1s);
        auto elsewhere = [](generator<int> mine) -> task<int> { co_return co_await first_of(mine); };
        const int b = co_await bight::with_timeout(elsewhere(std::move(slow)), 1s);
        CHECK(a == 1);
        CHECK(b == 2);
    });
}

TEST_CASE("a generator that never awaits lets others run, and can be cancelled at each item") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int items = 0;
        int turns = 0;
        auto forever = []() -> generator<int> {
            for (int n = 0;; ++n) co_yield n;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto consumer = [&]() -> task<> {
                auto all = forever();
                while (auto n = co_await all.next()) ++items;
            };
            g.spawn(consumer);
            for (; turns < 10; ++turns) co_await bight::yield();
            g.cancel();
        });
        CHECK(turns == 10);
        CHECK(items >= 5 * static_cast<int>(bight::reactor::completion_budget));
        CHECK(items <= 11 * static_cast<int>(bight::reactor::completion_budget + 1));
    });
}

TEST_CASE("a million items run in bounded stack, through several generators") {
    test::virtual_fixture on;
    long long sum = 0;
    on.run([&]() -> task<> {
        auto twice = [](generator<int> from) -> generator<int> {
            while (auto n = co_await from.next()) co_yield 2 * *n;
        };
        auto all = twice(count_to(1'000'000));
        while (auto n = co_await all.next()) sum += *n;
    });
    CHECK(sum == 1'000'001'000'000);
}

TEST_CASE("an item costs no frame and no allocation") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto all = count_to(1000);
        co_await all.next();
        const long frames = bight::detail::live_frames();
        while (auto n = co_await all.next()) {
            if (bight::detail::live_frames() != frames) FAIL("a frame for item " << *n);
        }
        CHECK(bight::detail::live_frames() == frames - 1);
    });
}

TEST_CASE("a generator that goes while a task waits in its next ends the process with a message") {
    test::child dies([](const test::witness_pipe& pipe) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::signal(SIGABRT, SIG_DFL);
        bight::reactor r;
        auto body = [&](bight::group& g) -> task<> {
            std::optional<generator<int>> slow(count_slowly(1, 1h));
            auto waits = [&]() -> task<> { co_await slow->next(); };
            g.spawn(waits);
            co_await bight::yield();
            co_await bight::yield();
            pipe.say("!");
            slow.reset();
            pipe.say("survived");
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
        return 0;
    });
    CHECK(dies.exit_status() == test::aborted);
    CHECK(dies.said() == "!");
}
