// The results of tasks of a group.
#include <bight/sync/collector.hpp>

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>

#include "support/death.hpp"
#include "support/each_reactor.hpp"
#include "support/fickle.hpp"
#include "support/reactors.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::collector;
using bight::group;
using bight::result_order;
using bight::task;
using namespace std::chrono_literals;

namespace {

task<int> after(int n, bight::duration d) {
    co_await bight::sleep_for(d);
    co_return n;
}

template <class T>
task<std::vector<T>> rest_of(collector<T>& from) {
    std::vector<T> all;
    while (auto one = co_await from.next()) all.push_back(*std::move(one));
    co_return all;
}

}  // namespace

TEST_CASE("results come as the tasks end, or in the order of the spawns, and then nothing") {
    test::on_each_in_virtual_time([]() -> task<> {
        for (const result_order order : {result_order::as_they_end, result_order::as_spawned}) {
            co_await bight::with_group([&](group& g) -> task<> {
                collector<int> results(g, order);
                const auto none = co_await results.next();
                CHECK(none == std::nullopt);
                results.spawn(after, 1, 3s);
                results.spawn(after, 2, 1s);
                results.spawn([](std::unique_ptr<int> n) -> task<int> { co_return *n; },
                              std::make_unique<int>(3));
                CHECK(results.running() == 3);
                const auto got = co_await rest_of(results);
                CHECK(got ==
                      (order == result_order::as_spawned ? std::vector{1, 2, 3} : std::vector{3, 2, 1}));
                CHECK(results.running() == 0);
                results.spawn(after, 4, 1s);  // it goes on
                const auto again = co_await rest_of(results);
                CHECK(again == std::vector{4});
            });
        }
    });
}

TEST_CASE("with a limit, results that nobody takes hold up the tasks, and a slow one does so only in order") {
    test::on_each_in_virtual_time([]() -> task<> {
        int begun = 0;
        int most = 0;
        auto counted = [&](int n, bight::duration d) -> task<int> {
            ++begun;
            co_return co_await after(n, d);
        };
        for (const result_order order : {result_order::as_they_end, result_order::as_spawned}) {
            begun = most = 0;
            const auto at = bight::reactor::current()->now();
            std::vector<int> got;
            co_await bight::with_group({.limit = 3}, [&](group& g) -> task<> {
                collector<int> results(g, order);
                results.spawn(counted, 0, 100s);
                for (int i = 1; i < 12; ++i) results.spawn(counted, i, 1s);
                co_await bight::sleep_for(50s);
                CHECK(begun == 3);
                while (auto one = co_await results.next()) got.push_back(*one);
            });
            CHECK(begun == 12);
            if (order == result_order::as_spawned) {
                CHECK(got == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
                CHECK(bight::reactor::current()->now() - at == 103s);
            } else {
                CHECK(got == std::vector{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0});
                CHECK(bight::reactor::current()->now() - at == 100s);
            }
        }
    });
}

TEST_CASE("an error of a task cancels the group, and with_group throws it") {
    test::on_each_in_virtual_time([]() -> task<> {
        std::string said;
        int taken = 0;
        auto fails = []() -> task<int> {
            co_await bight::sleep_for(2s);
            throw std::runtime_error("no result");
        };
        try {
            co_await bight::with_group([&](group& g) -> task<> {
                collector<int> results(g);
                results.spawn(after, 1, 1s);
                results.spawn(fails);
                results.spawn(after, 2, 1h);
                while (const auto one = co_await results.next()) ++taken;
            });
        } catch (const std::runtime_error& e) {
            said = e.what();
        }
        CHECK(said == "no result");
        CHECK(taken == 1);
    });
}

TEST_CASE("a task that is cancelled alone has no result, and does not hold up those behind it") {
    test::on_each_in_virtual_time([]() -> task<> {
        for (const result_order order : {result_order::as_they_end, result_order::as_spawned}) {
            for (const bool result_is_there : {false, true}) {
                co_await bight::with_group([&](group& g) -> task<> {
                    collector<int> results(g, order);
                    auto first = results.spawn(after, 1, result_is_there ? 0s : 1h);
                    results.spawn(after, 2, 1ms);
                    results.spawn(after, 3, 2ms);
                    g.spawn([&]() -> task<> {
                        co_await bight::sleep_for(1s);
                        first.cancel();
                    });
                    co_await bight::sleep_for(result_is_there ? 2s : 0s);
                    const auto got = co_await rest_of(results);
                    CHECK(got == std::vector{2, 3});
                    g.cancel();
                });
            }
        }
        // The only one.
        co_await bight::with_group([&](group& g) -> task<> {
            collector<int> results(g);
            auto only = results.spawn(after, 1, 1h);
            g.spawn([&]() -> task<> {
                co_await bight::sleep_for(1s);
                only.cancel();
            });
            const auto none = co_await results.next();
            CHECK(none == std::nullopt);
        });
    });
}

TEST_CASE("a wait that is cancelled loses no result, and several consumers share the results") {
    test::on_each_in_virtual_time([]() -> task<> {
        std::vector<int> got;
        co_await bight::with_group([&](group& g) -> task<> {
            collector<int> results(g);
            results.spawn(after, 1, 2s);
            const auto late = co_await bight::try_with_timeout(results.next(), 1s);
            CHECK(late == std::nullopt);
            const auto one = co_await results.next();
            CHECK(one == std::optional<int>(1));
            for (int i = 0; i < 10; ++i) results.spawn(after, i, i * 1s);
            auto takes = [&]() -> task<> {
                while (auto next = co_await results.next()) got.push_back(*next);
            };
            co_await bight::when_all(takes(), takes(), takes());
        });
        CHECK(got == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    });
}

TEST_CASE("when the collector goes, results are dropped, and the tasks end") {
    test::on_each_in_virtual_time([]() -> task<> {
        const auto held = std::make_shared<int>(1);
        int ended = 0;
        auto holds = [&](std::shared_ptr<int> h, bight::duration d) -> task<std::shared_ptr<int>> {
            co_await bight::sleep_for(d);
            ++ended;
            co_return h;
        };
        for (const result_order order : {result_order::as_they_end, result_order::as_spawned}) {
            ended = 0;
            co_await bight::with_group({.limit = 2}, [&](group& g) -> task<> {
                collector<std::shared_ptr<int>> results(g, order);
                for (int i = 1; i <= 5; ++i) results.spawn(holds, held, i * 1s);
                co_await bight::sleep_for(10s);
                CHECK(ended == 2);
            });
            CHECK(ended == 5);
            CHECK(held.use_count() == 1);
        }
    });
}

TEST_CASE("what moving a result throws is thrown to the one that takes it") {
    test::fickle::living = 0;
    test::virtual_fixture on;
    on.run([]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            collector<test::fickle> results(g);
            results.spawn([]() -> task<test::fickle> { co_return test::fickle(1); });
            co_await bight::sleep_for(1s);
            test::fickle::moves_left = 0;
            std::string said;
            try {
                co_await results.next();
            } catch (const std::runtime_error& e) {
                said = e.what();
            }
            CHECK_FALSE(said.empty());
            const auto none = co_await results.next();
            CHECK_FALSE(none.has_value());
        });
    });
    CHECK(test::fickle::living == 0);
}

namespace {

// Moving it is user code.
struct meddler {
    explicit meddler(int v) : value(v) {}
    meddler(meddler&& other) : value(other.value) {
        if (on_move) on_move();
    }
    int value = 0;
    static inline std::function<void()> on_move;
};

}  // namespace

TEST_CASE("moving a result may cancel the task that takes it, which gets it if it is on its way to it") {
    const bool waits = GENERATE(true, false);
    const int move = waits ? GENERATE(1, 2, 3, 4) : 1;  // which of those on its way
    CAPTURE(waits, move);
    test::virtual_fixture on;
    int got = 0;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            collector<meddler> results(g);
            auto take = [&]() -> task<> {
                if (!waits) co_await bight::sleep_for(2s);
                auto result = co_await results.next();
                got = result ? result->value : -1;
                co_await bight::sleep_for(1h);  // here it is cancelled
                got = -2;
            };
            bight::spawned_task taking = g.spawn(take);
            results.spawn([]() -> task<meddler> {
                co_await bight::sleep_for(1s);
                co_return meddler(7);
            });
            co_await bight::sleep_for(waits ? 500ms : 1500ms);
            int left = move;
            meddler::on_move = [&] {
                if (--left == 0) taking.cancel();
            };
            co_await bight::sleep_for(5s);
            meddler::on_move = nullptr;
            taking.cancel();
        });
    });
    // Before the result is on its way to the waiting task, that task is one which is cancelled.
    CHECK((got == 7 || (waits && got == 0)));
}
