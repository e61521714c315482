#include <bight/core/deferred.hpp>
#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_any.hpp>

#include "support/reactors.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;

task<std::string> message(const char* text, bight::duration after) {
    co_await bight::sleep_for(after);
    co_return text;
}
task<std::string> message_of(bight::deferred<std::string> d) { co_return co_await d; }
task<int> fail_after_some_time(const char* what, bight::duration after) {
    co_await bight::sleep_for(after);
    throw std::runtime_error(what);
}
task<std::string> slow_to_go(bool& cleaned) {
    auto clean = [&cleaned]() -> task<> {
        co_await bight::sleep_for(3ms);
        cleaned = true;
    };
    co_return co_await bight::finally(message("never", 1h), clean);
}

}  // namespace

TEST_CASE("what the first of when_any or race holds goes while the others still unwind") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        auto owned = std::make_shared<int>(7);
        auto first = [](std::shared_ptr<int> held) -> task<int> { co_return *held; };
        auto slow_to_end = [&]() -> task<int> {
            co_await bight::shield(bight::sleep_for(1ms), 1h);
            CHECK(owned.use_count() == 1);
            co_return 0;
        };
        const auto any = co_await bight::when_any(first(owned), slow_to_end());
        CHECK(any.index == 0);
        CHECK(std::get<0>(any.values) == 7);
        const auto won = co_await bight::race(first(owned), slow_to_end());
        CHECK(std::get<0>(won) == 7);
    });
}

TEST_CASE("when_any gives the index and the value of the first, when the others have unwound") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool cleaned = false;
        const auto got =
            co_await bight::when_any(slow_to_go(cleaned), message("second", 1ms), bight::sleep_for(1h));
        CHECK(got.index == 1);
        CHECK_FALSE(std::get<0>(got.values));
        CHECK(std::get<1>(got.values) == "second");
        CHECK_FALSE(std::get<2>(got.values));
        CHECK(cleaned);
    });
}

TEST_CASE("when_any keeps the values of all that were done at the same time: no message is lost") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bight::deferred<std::string> a;
        bight::deferred<std::string> b;
        auto fire = [&]() -> task<std::string> {
            co_await bight::sleep_for(1ms);
            b.set_value("to b");
            a.set_value("to a");
            co_return "fired";
        };
        const auto got = co_await bight::when_any(message_of(a), message_of(b), fire());
        CHECK(std::get<0>(got.values) == "to a");
        CHECK(std::get<1>(got.values) == "to b");
        CHECK(std::get<2>(got.values) == "fired");
        CHECK(got.index == 2);
    });
}

TEST_CASE("when_any throws when the first to end failed") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::string what;
        try {
            co_await bight::when_any(message("late", 1h), fail_after_some_time("first", 1ms));
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "first");
    });
}

TEST_CASE(
    "when_any gives the value of the first although another fails at the same time; that error is reported") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bight::deferred<std::string> a;
        bight::deferred<std::string> b;
        auto fire = [&]() -> task<> {
            co_await bight::yield();
            a.set_value("the message");
            b.set_error(std::make_exception_ptr(std::runtime_error("the loser's error")));
            co_await bight::sleep_for(1h);
        };
        const auto got = co_await bight::when_any(message_of(a), message_of(b), fire());
        CHECK(got.index == 0);
        CHECK(std::get<0>(got.values) == "the message");
        CHECK_FALSE(std::get<1>(got.values));
    });
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("the loser's error") != std::string::npos);
}

TEST_CASE("when_any throws the error that came first although another succeeds at the same time") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bight::deferred<std::string> a;
        bight::deferred<std::string> b;
        auto fire = [&]() -> task<> {
            co_await bight::yield();
            b.set_error(std::make_exception_ptr(std::runtime_error("came first")));
            a.set_value("too late");
            co_await bight::sleep_for(1h);
        };
        std::string what;
        try {
            co_await bight::when_any(message_of(a), message_of(b), fire());
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "came first");
    });
}

TEST_CASE("a value that when_any has is delivered although the whole is cancelled while the losers unwind") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::string delivered;
        bool went_on = false;
        bool cleaned = false;
        auto receive = [&]() -> task<> {
            const auto got = co_await bight::when_any(message("kept", 1ms), slow_to_go(cleaned));
            delivered = *std::get<0>(got.values);
            co_await bight::yield();
            went_on = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(receive);
            co_await bight::sleep_for(2ms);  // between the message and the end of the loser's clean-up
            while (g.size() == 1 && delivered.empty() && !cleaned) {
                co_await bight::yield();
                g.cancel();
            }
        });
        CHECK(cleaned);
        CHECK(delivered == "kept");
        CHECK_FALSE(went_on);
    });
}

TEST_CASE("cancelling when_any from outside cancels all its tasks") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool went_on = false;
        auto waits = [&]() -> task<> {
            co_await bight::when_any(message("a", 1h), message("b", 1h));
            went_on = true;
        };
        const bool done = co_await bight::try_with_timeout(waits(), 1ms);
        CHECK_FALSE(done);
        CHECK_FALSE(went_on);
    });
}

TEST_CASE("race gives the first success, whoever failed before") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        const auto won =
            co_await bight::race(fail_after_some_time("a", 0s), message("b", 3ms), message("c", 1h));
        CHECK(won.index() == 1);
        CHECK(std::get<1>(won) == "b");
    });
}

TEST_CASE("race cancels the losers and waits for them") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool cleaned = false;
        const auto won = co_await bight::race(slow_to_go(cleaned), bight::sleep_for(1ms));
        CHECK(won.index() == 1);
        CHECK(cleaned);
    });
}

TEST_CASE("race throws all errors when all fail") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::string what;
        try {
            co_await bight::race(fail_after_some_time("slow", 2ms), fail_after_some_time("quick", 0s));
        } catch (const bight::aggregate_error& e) {
            what = e.what();
        }
        CHECK(what == "2 tasks failed: [quick] [slow]");
        try {
            co_await bight::race(fail_after_some_time("alone", 0s));
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "alone");
    });
}

TEST_CASE("the winner of a race is delivered although the whole is cancelled while the losers unwind") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::string delivered;
        bool cleaned = false;
        auto receive = [&]() -> task<> {
            const auto won = co_await bight::race(message("kept", 1ms), slow_to_go(cleaned));
            delivered = std::get<0>(won);
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(receive);
            co_await bight::sleep_for(2ms);
            g.cancel();
        });
        CHECK(cleaned);
        CHECK(delivered == "kept");
    });
}

TEST_CASE("a race that is cancelled while an attempt is pending is cancelled, whoever failed before") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    const bool of_range = GENERATE(false, true);
    on.run([&]() -> task<> {
        bool thrown = false;
        auto attempts = [&]() -> task<> {
            try {
                if (of_range) {
                    std::vector<task<int>> all;
                    all.push_back(fail_after_some_time("the first address", 0s));
                    all.push_back(fail_after_some_time("the second", 1h));
                    co_await bight::race(std::move(all));
                } else {
                    co_await bight::race(fail_after_some_time("the first address", 0s),
                                         fail_after_some_time("the second", 1h));
                }
            } catch (const std::runtime_error&) {
                thrown = true;
            }
        };
        const bool done = co_await bight::try_with_timeout(attempts(), 5ms);
        CHECK_FALSE(done);
        CHECK_FALSE(thrown);
    });
}

TEST_CASE("a race whose attempts have all failed when it is cancelled throws their errors") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([&]() -> task<> {
        std::string what;
        auto attempts = [&]() -> task<> {
            // The second fails in its clean-up, which a cancellation does not cut short.
            auto fails_late = []() -> task<int> {
                co_await bight::shield(bight::sleep_for(2ms), 1h);
                throw std::runtime_error("late");
            };
            try {
                co_await bight::race(fail_after_some_time("early", 0s), fails_late());
            } catch (const std::exception& e) {
                what = e.what();
            }
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(attempts);
            co_await bight::sleep_for(1ms);
            g.cancel();
        });
        CHECK(what == "2 tasks failed: [early] [late]");
    });
}

TEST_CASE("when_any takes a range: the index of the first, and the values of all that ended well") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<task<std::string>> tasks;
        tasks.push_back(message("slow", 3s));
        tasks.push_back(message("first", 1s));
        tasks.push_back(message("as fast", 1s));
        tasks.push_back(message("never", 1h));
        const auto any = co_await bight::when_any(std::move(tasks));
        CHECK(any.index == 1);
        REQUIRE(any.values.size() == 4);
        CHECK_FALSE(any.values[0]);
        CHECK(any.values[1] == "first");
        CHECK(any.values[2] == "as fast");
        CHECK_FALSE(any.values[3]);
        CHECK(on.elapsed() == 1s);
    });
}

TEST_CASE("race takes a range: the first success wins, errors before it do not count") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<task<int>> tasks;
        auto number = [](int n, bight::duration after) -> task<int> {
            co_await bight::sleep_for(after);
            co_return n;
        };
        tasks.push_back(fail_after_some_time("early", 1s));
        tasks.push_back(number(7, 3s));
        tasks.push_back(number(8, 2s));
        const auto won = co_await bight::race(std::move(tasks));
        CHECK(won.index == 2);
        CHECK(won.value == 8);
        CHECK(on.elapsed() == 2s);
    });
}

TEST_CASE("when all of a range fail, race throws their errors in the order in which they came") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::vector<task<int>> tasks;
        tasks.push_back(fail_after_some_time("second", 2s));
        tasks.push_back(fail_after_some_time("first", 1s));
        std::string message;
        try {
            const auto won = co_await bight::race(std::move(tasks));
            (void)won;
        } catch (const bight::aggregate_error& e) {
            message = e.what();
        }
        CHECK(message == "2 tasks failed: [first] [second]");
    });
}

TEST_CASE("there is no first of an empty range: it throws at once") {
    CHECK_THROWS_AS(bight::when_any(std::vector<task<int>>{}), std::invalid_argument);
    CHECK_THROWS_AS(bight::race(std::vector<task<>>{}), std::invalid_argument);
}

TEST_CASE("cancelling when_any or race of a range from outside cancels all its tasks, and is passed on") {
    test::virtual_fixture on;
    const bool racing = GENERATE(false, true);
    int unwound = 0;
    bool went_on = false;
    on.run([&]() -> task<> {
        struct at_end {
            int& unwound;
            ~at_end() { ++unwound; }
        };
        auto sleeps = [&]() -> task<> {
            const at_end counted{unwound};
            co_await bight::sleep_for(1h);
        };
        auto outer = [&]() -> task<> {
            std::vector<task<>> tasks;
            for (int i = 0; i < 3; ++i) tasks.push_back(sleeps());
            if (racing) {
                co_await bight::race(std::move(tasks));
            } else {
                co_await bight::when_any(std::move(tasks));
            }
            went_on = true;
        };
        const bool ended = co_await bight::try_with_timeout(outer(), 1s);
        CHECK_FALSE(ended);
        CHECK(on.elapsed() == 1s);
    });
    CHECK(unwound == 3);
    CHECK_FALSE(went_on);
}

TEST_CASE("a value that comes in the turn in which the first to end failed is dropped, and that is said") {
    test::virtual_fixture on;
    const bool of_a_range = GENERATE(true, false);
    std::string what;
    on.run([&]() -> task<> {
        auto fails = []() -> task<int> {
            co_await bight::sleep_for(1s);
            throw std::runtime_error("first");
        };
        auto gives = []() -> task<int> {
            co_await bight::sleep_for(1s);
            co_return 7;
        };
        try {
            if (of_a_range) {
                std::vector<task<int>> both;
                both.push_back(fails());
                both.push_back(gives());
                (void)co_await bight::when_any(std::move(both));
            } else {
                (void)co_await bight::when_any(fails(), gives());
            }
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    });
    CHECK(what == "first");
    const auto said = on.take_log();
    REQUIRE(said.size() == 1);
    CHECK_THAT(said[0], Catch::Contains("when_any_test.cpp") && Catch::Contains("task 1 had a value"));
}

TEST_CASE("tasks that give references may be raced: their values are reference_wrappers") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int one = 1;
        int two = 2;
        auto give = [](int& v, bight::duration when) -> task<int&> {
            co_await bight::sleep_for(when);
            co_return v;
        };
        const auto any = co_await bight::when_any(give(one, 1s), give(two, 2s));
        CHECK(any.index == 0);
        REQUIRE(std::get<0>(any.values));
        CHECK(&std::get<0>(any.values)->get() == &one);
        CHECK_FALSE(std::get<1>(any.values));
        const auto won = co_await bight::race(give(one, 2s), give(two, 1s));
        CHECK(&std::get<1>(won).get() == &two);
        const auto both = co_await bight::when_all(give(one, 2s), give(two, 1s));
        CHECK(&std::get<0>(both) == &one);
        std::vector<task<int&>> all;
        all.push_back(give(two, 1s));
        all.push_back(give(one, 2s));
        const auto list = co_await bight::when_all(std::move(all));
        CHECK(&list[1].get() == &one);
    });
}

TEST_CASE("get gives a pointer to the value of a task of when_any, and null when it has none") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        auto line = []() -> task<std::string> {
            co_await bight::sleep_for(1s);
            co_return "line";
        };
        auto tick = [](bight::duration after) -> task<> { co_await bight::sleep_for(after); };
        auto got = co_await bight::when_any(line(), tick(1h));
        std::string seen;
        if (auto* one = got.get<0>()) {
            one->append("!");
            seen = *one;
        }
        CHECK(seen == "line!");
        CHECK(got.get<1>() == nullptr);
        const auto& fixed = got;
        static_assert(std::is_same_v<decltype(fixed.get<0>()), const std::string*>);
        CHECK(*fixed.get<0>() == "line!");

        auto ticked = co_await bight::when_any(line(), tick(1ms));
        CHECK(ticked.get<0>() == nullptr);
        CHECK(ticked.get<1>() != nullptr);  // a task<void> that succeeded
        CHECK(ticked.index == 1);

        int object = 5;
        auto refers = [&]() -> task<int&> { co_return object; };
        auto reference = co_await bight::when_any(refers());
        REQUIRE(reference.get<0>());
        CHECK(&reference.get<0>()->get() == &object);
    });
}
