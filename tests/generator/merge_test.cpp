#include <bight/core/deferred.hpp>
#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/generator/generator.hpp>
#include <bight/generator/generator_adaptors.hpp>
#include <bight/generator/merge.hpp>

#include "common.hpp"

#include "support/reactors.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::generator;
using bight::group;
using bight::task;
using test::in_group;
using namespace std::chrono_literals;

namespace {

// How many sources are alive, and how many items were made.
struct ledger {
    int live = 0;
    int made = 0;
};

class entry {
  public:
    explicit entry(ledger& in) : in_(in) { ++in_.live; }
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    ~entry() { --in_.live; }

  private:
    ledger& in_;
};

generator<int> ticking(ledger& in, int first, int items, bight::duration each) {
    const entry here(in);
    for (int n = 0; n < items; ++n) {
        co_await bight::sleep_for(each);
        ++in.made;
        co_yield first + n;
    }
}

generator<int> instant(ledger& in, int first, int items) {
    const entry here(in);
    for (int n = 0; n < items; ++n) {
        ++in.made;
        co_yield first + n;
    }
}

generator<int> failing(ledger& in, const char* what, bight::duration after) {
    const entry here(in);
    co_await bight::sleep_for(after);
    throw std::runtime_error(what);
    co_yield 0;
}

}  // namespace

TEST_CASE("merge gives the items of all its sources as they come, and ends with the last source") {
    test::virtual_fixture on;
    ledger in;
    std::vector<int> got;
    on.run(in_group([&](group& g) -> task<> {
        auto all = bight::merge(g, ticking(in, 100, 3, 10ms), ticking(in, 200, 2, 25ms), instant(in, 300, 0));
        while (auto n = co_await all.next()) got.push_back(*n);
        CHECK(in.live == 0);
        CHECK(on.elapsed() == 50ms);
        const auto again = co_await all.next();
        CHECK_FALSE(again);
    }));
    CHECK(got == std::vector<int>{100, 101, 200, 102, 201});
}

TEST_CASE("merge takes turns between sources that always have an item") {
    test::virtual_fixture on;
    ledger in;
    std::vector<int> got;
    on.run(in_group([&](group& g) -> task<> {
        auto all = bight::merge(g, instant(in, 100, 50), instant(in, 200, 50));
        while (auto n = co_await all.next()) got.push_back(*n);
    }));
    REQUIRE(got.size() == 100);
    int of_first = 0;
    int last_first = 99;
    int last_second = 199;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (got[i] < 200) {
            ++of_first;
            CHECK(got[i] == ++last_first);
        } else {
            CHECK(got[i] == ++last_second);
        }
        const int of_second = static_cast<int>(i) + 1 - of_first;
        if (i < 98 && (of_first - of_second > 2 || of_second - of_first > 2)) FAIL("one-sided at " << i);
    }
}

TEST_CASE("merge starts nothing before its first item is asked for, and is one item ahead after that") {
    test::virtual_fixture on;
    ledger in;
    on.run(in_group([&](group& g) -> task<> {
        auto never = bight::merge(g, instant(in, 0, 9), instant(in, 0, 9));
        auto all = bight::merge(g, instant(in, 0, 9), instant(in, 0, 9));
        co_await bight::sleep_for(1ms);
        CHECK(in.live == 0);
        CHECK(g.size() == 0);
        for (int taken = 1; taken <= 5; ++taken) {
            const auto item = co_await all.next();
            CHECK(item);
            co_await bight::sleep_for(1ms);
            CHECK(in.made == taken + 2);
        }
    }));
    CHECK(in.live == 0);
}

TEST_CASE("merge of no sources ends at once, and of one gives its items") {
    test::virtual_fixture on;
    ledger in;
    on.run(in_group([&](group& g) -> task<> {
        auto none = bight::merge(g, std::vector<generator<int>>{});
        const auto nothing = co_await none.next();
        CHECK_FALSE(nothing);
        const auto one = co_await bight::collect(bight::merge(g, instant(in, 1, 3)));
        CHECK(one == std::vector<int>{1, 2, 3});
        std::vector<generator<int>> many;
        for (int n = 0; n < 1000; ++n) many.push_back(instant(in, n, 1));
        const auto all = co_await bight::collect(bight::merge(g, std::move(many)));
        CHECK(all.size() == 1000);
        CHECK(all[999] == 999);
    }));
}

TEST_CASE("merge passes on items that only move") {
    test::virtual_fixture on;
    on.run(in_group([&](group& g) -> task<> {
        auto make = [](int n) -> generator<std::unique_ptr<int>> {
            co_yield std::make_unique<int>(n);
            co_yield std::make_unique<int>(n + 1);
        };
        auto all = bight::merge(g, make(1), make(10));
        int sum = 0;
        while (auto p = co_await all.next()) sum += **p;
        CHECK(sum == 24);
    }));
}

TEST_CASE("an error of one source cancels the others, and comes out of next when they have unwound") {
    test::virtual_fixture on;
    ledger in;
    std::vector<int> got;
    std::string what;
    on.run(in_group([&](group& g) -> task<> {
        auto all = bight::merge(g, ticking(in, 1, 9, 10ms), failing(in, "broken", 25ms));
        try {
            while (auto n = co_await all.next()) got.push_back(*n);
        } catch (const std::runtime_error& e) {
            what = e.what();
            CHECK(in.live == 0);
        }
        CHECK(all.done());
        CHECK(on.elapsed() == 25ms);
        CHECK_FALSE(g.cancelled());
    }));
    CHECK(what == "broken");
    CHECK(got == std::vector<int>{1, 2});
}

TEST_CASE("an error of a source that came while nobody waited comes out of the next next") {
    test::virtual_fixture on;
    ledger in;
    std::string what;
    on.run(in_group([&](group& g) -> task<> {
        auto all = bight::merge(g, instant(in, 1, 9), failing(in, "broken", 5ms));
        const auto first = co_await all.next();
        CHECK(*first == 1);
        co_await bight::sleep_for(10ms);
        CHECK(in.live == 0);
        try {
            co_await all.next();
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    }));
    CHECK(what == "broken");
}

TEST_CASE("an error of a source that its consumer did not stay to hear is reported") {
    test::virtual_fixture on;
    ledger in;
    on.run(in_group([&](group& g) -> task<> {
        auto all = bight::merge(g, instant(in, 1, 9), failing(in, "unheard", 5ms));
        co_await all.next();
        co_await bight::sleep_for(10ms);
    }));
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].find("unheard") != std::string::npos);
}

TEST_CASE("dropping a merge between two items cancels its sources, and its group waits for them") {
    test::virtual_fixture on;
    ledger in;
    bool cleaned = false;
    on.run([&]() -> task<> {
        auto careful = [&]() -> generator<int> {
            const entry here(in);
            co_yield 1;
            auto clean = [&]() -> task<> {
                co_await bight::sleep_for(3ms);
                cleaned = true;
            };
            auto wait = []() -> task<> { co_await bight::sleep_for(1h); };
            co_await bight::finally(wait(), clean);
        };
        co_await bight::with_group([&](group& g) -> task<> {
            {
                auto all = bight::merge(g, careful(), ticking(in, 10, 9, 1h));
                const auto first = co_await all.next();
                CHECK(*first == 1);
                co_await bight::sleep_for(1ms);
                CHECK(in.live == 2);
            }
            CHECK_FALSE(cleaned);
            co_await bight::yield();
            co_await bight::yield();
            CHECK(in.live == 1);
            CHECK_FALSE(g.cancelled());
        });
        CHECK(cleaned);
        CHECK(in.live == 0);
        CHECK(on.elapsed() == 4ms);
    });
}

TEST_CASE("a merge dropped in the turn in which its sources were to start never starts them") {
    test::virtual_fixture on;
    ledger in;
    on.run(in_group([&](group& g) -> task<> {
        auto consumer = [&]() -> task<> {
            auto all = bight::merge(g, instant(in, 1, 9));
            co_await all.next();
        };
        co_await bight::with_group([&](group& h) -> task<> {
            h.spawn(consumer);
            co_await bight::yield();
            h.cancel();
        });
        co_await bight::sleep_for(1ms);
        CHECK(g.size() == 0);
    }));
    CHECK(in.made <= 1);
    CHECK(in.live == 0);
}

TEST_CASE("cancelling the task that waits for an item of a merge cancels the sources") {
    test::virtual_fixture on;
    ledger in;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            auto consumer = [&]() -> task<int> {
                auto all = bight::merge(g, ticking(in, 1, 9, 1h), ticking(in, 1, 9, 1h));
                auto item = co_await all.next();
                co_return *item;
            };
            const auto late = co_await bight::try_with_timeout(consumer(), 10ms);
            CHECK_FALSE(late);
            co_await bight::sleep_for(1ms);
            CHECK(in.live == 0);
            CHECK(g.size() == 0);
        });
        CHECK(on.elapsed() == 11ms);

        const bool in_time = co_await bight::try_with_timeout(in_group([&](group& g) -> task<> {
                                                                  auto all =
                                                                      bight::merge(g, ticking(in, 1, 9, 1h));
                                                                  co_await all.next();
                                                              }),
                                                              10ms);
        CHECK_FALSE(in_time);
        CHECK(in.live == 0);
    });
}

TEST_CASE("an item that a merge has handed over when the cancellation comes is delivered") {
    test::virtual_fixture on;
    std::vector<int> got;
    on.run(in_group([&](group& g) -> task<> {
        bight::deferred<int> source;
        auto relay = [&]() -> generator<int> {
            const int value = co_await source;
            co_yield value;
            co_await bight::sleep_for(1h);
        };
        auto consumer = [&](group& sources) -> task<> {
            auto all = bight::merge(sources, relay());
            while (auto n = co_await all.next()) got.push_back(*n);
        };
        co_await bight::with_group([&](group& h) -> task<> {
            h.spawn(consumer, std::ref(g));
            co_await bight::sleep_for(1ms);
            source.set_value(7);
            co_await bight::yield();
            h.cancel();
        });
    }));
    CHECK(got == std::vector<int>{7});
}

TEST_CASE("when the group of a merge is cancelled under its consumer, next says so") {
    test::virtual_fixture on;
    ledger in;
    std::error_code code;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            auto consumer = [&]() -> task<> {
                auto all = bight::merge(g, ticking(in, 1, 9, 10ms));
                try {
                    while (auto n = co_await all.next()) {
                        if (*n == 2) g.cancel();
                    }
                } catch (const std::system_error& e) {
                    code = e.code();
                }
            };
            co_await bight::shield(consumer(), 1h);
        });
    });
    CHECK(code == std::errc::operation_canceled);
    CHECK(in.live == 0);
}

TEST_CASE("a merge is a generator: it can be mapped, and merged again") {
    test::virtual_fixture on;
    ledger in;
    on.run(in_group([&](group& g) -> task<> {
        auto low = bight::merge(g, ticking(in, 0, 2, 10ms), ticking(in, 10, 2, 11ms));
        auto tens = bight::map(std::move(low), [](int n) { return n * 10; });
        auto all = bight::merge(g, std::move(tens), ticking(in, 7, 1, 15ms));
        const auto got = co_await bight::collect(std::move(all));
        CHECK(got == std::vector<int>{0, 100, 7, 10, 110});
    }));
}

TEST_CASE("an item whose move throws ends a merge with that error") {
    struct explosive {
        explicit explosive(bool is_live) : live(is_live) {}
        explosive(explosive&& other) : live(other.live) {
            if (live && other.moves == 2) throw std::runtime_error("moved");
            moves = other.moves + 1;
        }
        bool live;
        int moves = 0;
    };
    test::virtual_fixture on;
    std::string what;
    on.run(in_group([&](group& g) -> task<> {
        auto make = []() -> generator<explosive> {
            co_yield explosive(false);
            co_yield explosive(false);
        };
        auto blows_up = []() -> generator<explosive> {
            explosive bad(true);
            co_await bight::sleep_for(1ms);
            co_yield std::move(bad);  // the third move is the one out of the source's task
        };
        auto all = bight::merge(g, make(), blows_up());
        int items = 0;
        try {
            while (auto e = co_await all.next()) ++items;
            CHECK(items < 0);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    }));
    CHECK(what == "moved");
}

TEST_CASE("an item of a merge costs no frame") {
    test::virtual_fixture on;
    ledger in;
    on.run(in_group([&](group& g) -> task<> {
        auto all = bight::merge(g, instant(in, 0, 1000), instant(in, 0, 1000));
        for (int n = 0; n < 4; ++n) co_await all.next();
        const long frames = bight::detail::live_frames();
        for (int n = 0; n < 1900; ++n) {
            co_await all.next();
            if (bight::detail::live_frames() != frames) FAIL("a frame for item " << n);
        }
    }));
}
