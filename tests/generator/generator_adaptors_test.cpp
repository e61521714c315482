#include <bight/core/deferred.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/generator/generator.hpp>
#include <bight/generator/generator_adaptors.hpp>

#include "common.hpp"

#include "support/reactors.hpp"

#include <array>
#include <concepts>
#include <limits>
#include <list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::generator;
using bight::task;
using test::count_to;
using namespace std::chrono_literals;

namespace {

generator<int&> each(std::vector<int>& numbers) {
    for (int& n : numbers) co_yield n;
}

generator<std::unique_ptr<int>> owned(int last) {
    for (int n = 1; n <= last; ++n) co_yield std::make_unique<int>(n);
}

task<bool> is_even_later(const int& n) {
    co_await bight::sleep_for(1ms);
    co_return n % 2 == 0;
}

}  // namespace

TEST_CASE("map gives what the callable makes of each item") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        const std::string unit = "km";
        auto lengths = bight::map(count_to(3), [unit](int n) { return std::to_string(n) + unit; });
        static_assert(std::same_as<decltype(lengths), generator<std::string>>);
        const auto all = co_await bight::collect(std::move(lengths));
        CHECK(all == std::vector<std::string>{"1km", "2km", "3km"});
    });
}

TEST_CASE("map awaits the task that its callable gives, one at a time") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int running = 0;
        auto slow_square = [&running](int n) -> task<int> {
            CHECK(++running == 1);
            co_await bight::sleep_for(10ms);
            --running;
            co_return n* n;
        };
        const auto all = co_await bight::collect(bight::map(count_to(3), slow_square));
        CHECK(all == std::vector<int>{1, 4, 9});
        CHECK(on.elapsed() == 30ms);
    });
}

TEST_CASE("map passes references on, and items that only move") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<int> numbers{1, 2, 3};
        auto self = bight::map(each(numbers), [](int& n) -> int& { return n; });
        static_assert(std::same_as<decltype(self), generator<int&>>);
        while (int* n = co_await self.next()) *n += 1;
        CHECK(numbers == std::vector<int>{2, 3, 4});

        auto first = [&](int& n) -> task<int&> {
            co_await bight::yield();
            co_return n;
        };
        auto awaited = bight::map(each(numbers), first);
        int* found = co_await awaited.next();
        CHECK(found == &numbers[0]);

        auto wrapped = bight::map(owned(2), [](std::unique_ptr<int> p) {
            *p *= 10;
            return p;
        });
        int sum = 0;
        while (auto p = co_await wrapped.next()) sum += **p;
        CHECK(sum == 30);
    });
}

TEST_CASE("an error of the callable or of the source ends map, and the source goes with it") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        bool gone = false;
        auto source = [&gone]() -> generator<int> {
            struct notice {
                explicit notice(bool& f) : flag(f) {}
                ~notice() { flag = true; }
                bool& flag;
            };
            const notice at_end(gone);
            co_yield 1;
            co_yield 2;
            throw std::runtime_error("from the source");
        };
        auto refuse_two = [](int n) {
            if (n == 2) throw std::invalid_argument("two");
            return n;
        };
        auto mapped = bight::map(source(), refuse_two);
        auto one = co_await mapped.next();
        CHECK(*one == 1);
        CHECK_FALSE(gone);
        std::string what;
        try {
            co_await mapped.next();
        } catch (const std::invalid_argument& e) {
            what = e.what();
        }
        CHECK(what == "two");
        CHECK(gone);
        CHECK(mapped.done());
        auto passes = bight::map(source(), [](int n) { return n; });
        try {
            co_await bight::collect(std::move(passes));
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "from the source");
    });
}

TEST_CASE("filter keeps the items that are wanted, and may await to find out") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        const auto odd =
            co_await bight::collect(bight::filter(count_to(5), [](int n) { return n % 2 == 1; }));
        CHECK(odd == std::vector<int>{1, 3, 5});
        const auto even = co_await bight::collect(bight::filter(count_to(5), is_even_later));
        CHECK(even == std::vector<int>{2, 4});
        CHECK(on.elapsed() == 5ms);
        auto big = bight::filter(owned(3), [](const std::unique_ptr<int>& p) { return *p > 1; });
        int sum = 0;
        while (auto p = co_await big.next()) sum += **p;
        CHECK(sum == 5);
        std::vector<int> numbers{1, 2, 3};
        auto twos = bight::filter(each(numbers), [](const int& n) { return n == 2; });
        int* two = co_await twos.next();
        CHECK(two == &numbers[1]);
        const auto none = co_await bight::collect(bight::filter(count_to(3), [](int) { return false; }));
        CHECK(none.empty());
    });
}

TEST_CASE("take asks its source for no more than it gives") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int asked = 0;
        auto source = [&asked]() -> generator<int> {
            for (;;) co_yield ++asked;
        };
        const auto three = co_await bight::collect(bight::take(source(), 3));
        CHECK(three == std::vector<int>{1, 2, 3});
        CHECK(asked == 3);
        const auto none = co_await bight::collect(bight::take(source(), 0));
        CHECK(none.empty());
        CHECK(asked == 3);
        const auto all =
            co_await bight::collect(bight::take(count_to(2), std::numeric_limits<std::size_t>::max()));
        CHECK(all == std::vector<int>{1, 2});
    });
}

TEST_CASE("items_of gives the elements of a vector, also those that only move, and bools") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<std::unique_ptr<int>> pointers;
        pointers.push_back(std::make_unique<int>(1));
        pointers.push_back(std::make_unique<int>(2));
        auto all = bight::items_of(std::move(pointers));
        int sum = 0;
        while (auto p = co_await all.next()) sum += **p;
        CHECK(sum == 3);
        const auto flags = co_await bight::collect(bight::items_of(std::vector<bool>(2, true)));
        CHECK(flags == std::vector<bool>{true, true});
        const auto none = co_await bight::collect(bight::items_of(std::vector<int>{}));
        CHECK(none.empty());
    });
}

TEST_CASE("items_of takes any range, and copies the items of one that it does not own") {
    test::virtual_fixture on;
    std::list<std::string> list{"a", "b"};
    std::vector<std::string> kept{"long enough to be on the heap, and to be seen when it is moved away", "c"};
    const std::vector<std::string> both{"a", "b"};
    const std::array<int, 2> array{7, 8};
    on.run([&]() -> task<> {
        const auto of_a_list = co_await bight::collect(bight::items_of(std::move(list)));
        CHECK(of_a_list == both);
        const auto copied = co_await bight::collect(bight::items_of(std::span<std::string>(kept)));
        CHECK(copied == kept);
        CHECK(kept[0].size() > 60);
        const auto of_an_array = co_await bight::collect(bight::items_of(array));
        REQUIRE(of_an_array.size() == 2);
        CHECK(of_an_array[1] == 8);
    });
}

TEST_CASE("a chain of operations is cancelled and dropped as a whole") {
    test::virtual_fixture on;
    int live = 0;
    on.run([&]() -> task<> {
        struct counted {
            explicit counted(int& n) : count(n) { ++count; }
            counted(const counted&) = delete;
            counted& operator=(const counted&) = delete;
            ~counted() { --count; }
            int& count;
        };
        auto source = [&live]() -> generator<int> {
            const counted here(live);
            for (int n = 0;; ++n) {
                co_yield n;
                co_await bight::sleep_for(10ms);
            }
        };
        auto chain = [&] {
            return bight::take(bight::filter(bight::map(source(), [](int n) { return n * 2; }),
                                             [](int n) { return n >= 0; }),
                               10);
        };
        auto waits = chain();
        co_await waits.next();
        CHECK(live == 1);
        const auto late = co_await bight::try_with_timeout(waits.next(), 1ms);
        CHECK_FALSE(late);
        CHECK(live == 0);
        {
            auto dropped = chain();
            co_await dropped.next();
            CHECK(live == 1);
        }
        CHECK(live == 0);
    });
}
