#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/generator/generator.hpp>
#include <bight/generator/generator_adaptors.hpp>
#include <bight/generator/map_concurrent.hpp>
#include <bight/sync/event.hpp>

#include "common.hpp"

#include "support/reactors.hpp"

#include <algorithm>
#include <concepts>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::generator;
using bight::group;
using bight::task;
using test::count_to;
using test::in_group;
using namespace std::chrono_literals;

namespace {

constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

// How many calls run now, and the most there ever were.
struct gauge {
    int now = 0;
    int most = 0;
    int begun = 0;
};

class running {
  public:
    explicit running(gauge& g) : gauge_(g) {
        gauge_.most = std::max(gauge_.most, ++gauge_.now);
        ++gauge_.begun;
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() { --gauge_.now; }

  private:
    gauge& gauge_;
};

// The later it begins, the sooner it is done.
struct slower_first {
    gauge& in;
    int last;
    task<int> operator()(int n) const {
        const running here(in);
        co_await bight::sleep_for((last - n + 1) * 10ms);
        co_return n;
    }
};

}  // namespace

TEST_CASE("map_concurrent runs up to the limit at once, and gives the values in the order of the items") {
    test::virtual_fixture on;
    gauge in;
    on.run(in_group([&](group& g) -> task<> {
        auto all = bight::map_concurrent(g, count_to(7), 3, slower_first{in, 7});
        static_assert(std::same_as<decltype(all), generator<int>>);
        const auto got = co_await bight::collect(std::move(all));
        CHECK(got == std::vector<int>{1, 2, 3, 4, 5, 6, 7});
    }));
    CHECK(in.most == 3);
    CHECK(in.now == 0);
}

TEST_CASE("map_concurrent, unordered or not, and for_each_concurrent take a range") {
    test::virtual_fixture on;
    gauge in;
    const std::vector<int> numbers{1, 2, 3, 4};
    const std::vector<int> as_they_come{2, 1, 3, 4};
    on.run(in_group([&](group& g) -> task<> {
        const auto ordered =
            co_await bight::collect(bight::map_concurrent(g, numbers, 2, slower_first{in, 4}));
        CHECK(ordered == numbers);
        const auto unordered =
            co_await bight::collect(bight::map_concurrent_unordered(g, numbers, 2, slower_first{in, 4}));
        CHECK(unordered == as_they_come);
        int sum = 0;
        auto add = [&sum](int n) -> task<> {
            co_await bight::yield();
            sum += n;
        };
        co_await bight::for_each_concurrent(numbers, 2, add);
        CHECK(sum == 10);
    }));
    CHECK(in.most == 2);
}

TEST_CASE("map_concurrent_unordered gives each value when it is there") {
    test::virtual_fixture on;
    gauge in;
    std::vector<bight::duration> at;
    on.run(in_group([&](group& g) -> task<> {
        std::vector<int> got;
        auto all = bight::map_concurrent_unordered(g, count_to(4), 2, slower_first{in, 4});
        while (auto n = co_await all.next()) {
            got.push_back(*n);
            at.push_back(on.elapsed());
        }
        CHECK(got == std::vector<int>{2, 1, 3, 4});  // of two tasks at 40 and 30 ms, then 20 and 10 ms
    }));
    CHECK(in.most == 2);
    CHECK(at == std::vector<bight::duration>{30ms, 40ms, 50ms, 50ms});
}

TEST_CASE("a limit of one makes map_concurrent do one after the other, and a huge one all at once") {
    test::virtual_fixture on;
    on.run(in_group([&](group& g) -> task<> {
        gauge one;
        const auto a =
            co_await bight::collect(bight::map_concurrent(g, count_to(5), 1, slower_first{one, 5}));
        CHECK(a == std::vector<int>{1, 2, 3, 4, 5});
        CHECK(one.most == 1);
        CHECK(on.elapsed() == 150ms);
        gauge all;
        const auto b = co_await bight::collect(
            bight::map_concurrent(g, count_to(500), no_limit, slower_first{all, 500}));
        CHECK(b.size() == 500);
        CHECK(std::is_sorted(b.begin(), b.end()));
        CHECK(all.most == 500);
        CHECK(on.elapsed() == 150ms + 5s);
    }));
}

TEST_CASE("a limit of zero is refused at once") {
    test::virtual_fixture on;
    gauge in;
    on.run(in_group([&](group& g) -> task<> {
        CHECK_THROWS_AS(bight::map_concurrent(g, count_to(1), 0, slower_first{in, 1}), std::invalid_argument);
        CHECK_THROWS_AS(bight::map_concurrent_unordered(g, count_to(1), 0, slower_first{in, 1}),
                        std::invalid_argument);
        CHECK_THROWS_AS(bight::for_each_concurrent(count_to(1), 0, slower_first{in, 1}),
                        std::invalid_argument);
        co_return;
    }));
    CHECK(in.begun == 0);
}

TEST_CASE("map_concurrent starts nothing before it is asked, and a slow consumer holds the source up") {
    test::virtual_fixture on;
    gauge in;
    int read = 0;
    on.run(in_group([&](group& g) -> task<> {
        auto source = [&read]() -> generator<int> {
            for (;;) co_yield ++read;
        };
        auto work = [&in](int n) -> task<int> {
            const running here(in);
            co_await bight::sleep_for(1ms);
            co_return n;
        };
        auto all = bight::map_concurrent(g, source(), 4, work);
        co_await bight::sleep_for(10ms);
        CHECK(read == 0);
        for (int taken = 1; taken <= 5; ++taken) {
            const auto n = co_await all.next();
            CHECK(*n == taken);
            co_await bight::sleep_for(10ms);
            CHECK(read == taken + 4);
        }
    }));
    CHECK(in.most == 4);
    CHECK(in.now == 0);
}

TEST_CASE("map_concurrent passes on items and values that only move, and keeps a callable that captures") {
    test::virtual_fixture on;
    on.run(in_group([&](group& g) -> task<> {
        auto make = []() -> generator<std::unique_ptr<int>> {
            for (int n = 1; n <= 3; ++n) co_yield std::make_unique<int>(n);
        };
        auto all = [&] {
            const auto factor = std::make_shared<int>(10);
            return bight::map_concurrent(g, make(), 2,
                                         [factor](std::unique_ptr<int> p) -> task<std::unique_ptr<int>> {
                                             co_await bight::sleep_for(1ms);
                                             *p *= *factor;
                                             co_return p;
                                         });
        }();
        int sum = 0;
        while (auto p = co_await all.next()) sum += **p;
        CHECK(sum == 60);
    }));
}

TEST_CASE("an error of a call or of the source cancels the other calls and comes out of next") {
    test::virtual_fixture on;
    gauge in;
    std::string what;
    on.run(in_group([&](group& g) -> task<> {
        auto fails_at_three = [&in](int n) -> task<int> {
            const running here(in);
            co_await bight::sleep_for(n == 3 ? 15ms : 10ms * n);
            if (n == 3) throw std::runtime_error("three");
            co_return n;
        };
        std::vector<int> got;
        auto all = bight::map_concurrent(g, count_to(9), 3, fails_at_three);
        try {
            while (auto n = co_await all.next()) got.push_back(*n);
        } catch (const std::runtime_error& e) {
            what = e.what();
            CHECK(in.now == 0);
        }
        CHECK(what == "three");
        CHECK(got == std::vector<int>{1});
        CHECK(on.elapsed() == 15ms);

        auto source = []() -> generator<int> {
            co_yield 1;
            throw std::runtime_error("source");
        };
        auto forever = [&in](int n) -> task<int> {
            const running here(in);
            co_await bight::sleep_for(1h);
            co_return n;
        };
        auto other = bight::map_concurrent_unordered(g, source(), 3, forever);
        try {
            co_await other.next();
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "source");
        CHECK(in.now == 0);
        CHECK_FALSE(g.cancelled());
    }));
}

TEST_CASE("no value is given in the place of one whose call has failed") {
    test::virtual_fixture on;
    std::string what;
    on.run(in_group([&](group& g) -> task<> {
        bight::manual_reset_event go;
        auto call = [&go](int n) -> task<int> {
            if (n == 2) {
                co_await go.wait();
                throw std::runtime_error("two");
            }
            co_return n;
        };
        auto all = bight::map_concurrent(g, count_to(3), 3, call);
        auto got = co_await all.next();
        CHECK(got == 1);
        co_await bight::sleep_for(1ms);  // 3 has its value, 2 waits
        bool both = false;
        auto fails_first = [&]() -> task<> {
            co_await go.wait();
            both = true;
        };
        g.spawn(fails_first);
        co_await bight::yield();
        go.set();
        while (!both) co_await bight::yield();  // in the turn in which 2 fails, and after it
        try {
            got = co_await all.next();
            FAIL("gave " << got.value_or(0));
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    }));
    CHECK(what == "two");
}

TEST_CASE("a callable that throws instead of giving a task is an error like any other") {
    test::virtual_fixture on;
    on.run(in_group([&](group& g) -> task<> {
        auto refuses = [](int n) -> task<int> {
            if (n == 2) throw std::runtime_error("refused");
            return [](int m) -> task<int> { co_return m; }(n);
        };
        std::string what;
        auto all = bight::map_concurrent(g, count_to(3), 1, refuses);
        const auto one = co_await all.next();
        CHECK(*one == 1);
        try {
            co_await all.next();
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "refused");
    }));
}

TEST_CASE("dropping a map_concurrent, or cancelling its consumer, cancels its calls") {
    test::virtual_fixture on;
    gauge in;
    on.run(in_group([&](group& g) -> task<> {
        auto work = [&in](int n) -> task<int> {
            const running here(in);
            co_await bight::sleep_for(n == 1 ? 1ms : 1h);
            co_return n;
        };
        {
            auto all = bight::map_concurrent(g, count_to(9), 4, work);
            const auto one = co_await all.next();
            CHECK(*one == 1);
            co_await bight::sleep_for(1ms);
            CHECK(in.now == 4);
        }
        co_await bight::sleep_for(1ms);
        CHECK(in.now == 0);
        CHECK(g.size() == 0);

        const auto late = co_await bight::try_with_timeout(
            bight::collect(bight::map_concurrent(g, count_to(9), 4, work)), 10ms);
        CHECK_FALSE(late);
        co_await bight::sleep_for(1ms);
        CHECK(in.now == 0);
        CHECK(g.size() == 0);
    }));
    CHECK(on.elapsed() < 1h);
}

TEST_CASE("a thousand calls that never wait keep their order, and use the frames that there are") {
    test::virtual_fixture on;
    on.run(in_group([&](group& g) -> task<> {
        auto same = [](int n) -> task<int> { co_return n; };
        auto all = bight::map_concurrent(g, count_to(1000), 8, same);
        int last = 0;
        long most = 0;
        const long before = bight::detail::live_frames();
        while (auto n = co_await all.next()) {
            CHECK(*n == ++last);
            most = std::max(most, bight::detail::live_frames() - before);
        }
        CHECK(last == 1000);
        CHECK(most < 100);
    }));
}

TEST_CASE("for_each_concurrent awaits a call for each item, up to the limit at once") {
    test::virtual_fixture on;
    gauge in;
    int sum = 0;
    on.run([&]() -> task<> {
        auto work = [&](int n) -> task<> {
            const running here(in);
            co_await bight::sleep_for(10ms);
            sum += n;
        };
        co_await bight::for_each_concurrent(count_to(10), 3, work);
        CHECK(on.elapsed() == 40ms);
        co_await bight::for_each_concurrent(count_to(0), 3, work);
    });
    CHECK(sum == 55);
    CHECK(in.most == 3);
}

TEST_CASE("the first error of for_each_concurrent cancels the rest, and is thrown when they have unwound") {
    test::virtual_fixture on;
    gauge in;
    std::string what;
    on.run([&]() -> task<> {
        auto work = [&](int n) -> task<> {
            const running here(in);
            co_await bight::sleep_for(n * 10ms);
            if (n == 2) throw std::runtime_error("two");
        };
        try {
            co_await bight::for_each_concurrent(count_to(100), 5, work);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(in.now == 0);
        CHECK(on.elapsed() == 20ms);
    });
    CHECK(what == "two");
    CHECK(in.begun == 6);
}

TEST_CASE("for_each_concurrent is cancelled with its task, wherever it stands") {
    test::virtual_fixture on;
    gauge in;
    on.run([&]() -> task<> {
        auto slow_source = []() -> generator<int> {
            co_yield 1;
            co_yield 2;
            co_await bight::sleep_for(1h);
            co_yield 3;
        };
        auto forever = [&](int) -> task<> {
            const running here(in);
            co_await bight::sleep_for(1h);
        };
        const bool full =
            co_await bight::try_with_timeout(bight::for_each_concurrent(count_to(9), 2, forever), 10ms);
        CHECK_FALSE(full);
        CHECK(in.now == 0);
        const bool reading =
            co_await bight::try_with_timeout(bight::for_each_concurrent(slow_source(), 5, forever), 10ms);
        CHECK_FALSE(reading);
        CHECK(in.now == 0);
    });
    CHECK(in.begun == 4);
}
