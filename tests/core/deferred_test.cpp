#include <bight/core/deferred.hpp>
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/death.hpp"
#include "support/reactors.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::deferred;
using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;

std::exception_ptr error(const char* what) { return std::make_exception_ptr(std::runtime_error(what)); }

task<> wait_and_note(deferred<int> d, std::vector<int>& log, int who) {
    const int value = co_await d;
    log.push_back(100 * who + value);
}

}  // namespace

TEST_CASE("a deferred gives its value to those who came before and after the firing") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<int> log;
    on.run([&]() -> task<> {
        deferred<int> d;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(wait_and_note(d, log, 1));
            co_await bight::yield();
            CHECK_FALSE(d.fired());
            d.set_value(5);
            CHECK(d.fired());
            g.spawn(wait_and_note(d, log, 2));
        });
        const int again = co_await d;
        CHECK(again == 5);
    });
    CHECK(log == std::vector<int>{105, 205});
}

TEST_CASE("those who wait for a deferred are resumed in the order they came, never inside the firing") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<int> log;
    on.run([&]() -> task<> {
        deferred<int> d;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 12; ++who) g.spawn(wait_and_note(d, log, who));
            co_await bight::yield();
            co_await bight::yield();
            d.set_value(0);
            CHECK(log.empty());
            log.push_back(-1);
        });
    });
    CHECK(log == std::vector<int>{-1, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200});
}

TEST_CASE("one that waits because of a resumption runs after those who waited already") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<int> log;
    on.run([&]() -> task<> {
        deferred<int> d;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto first = [&]() -> task<> {
                co_await d;
                log.push_back(1);
                g.spawn(wait_and_note(d, log, 3));
            };
            g.spawn(first);
            g.spawn(wait_and_note(d, log, 2));
            co_await bight::yield();
            co_await bight::yield();
            d.set_value(0);
        });
    });
    CHECK(log == std::vector<int>{1, 200, 300});
}

TEST_CASE("a second firing throws already_fired and changes nothing") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        deferred<int> d;
        d.set_value(1);
        std::error_code code;
        try {
            d.set_value(2);
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == bight::errc::already_fired);
        CHECK_THROWS_AS(d.set_error(error("late")), std::system_error);
        CHECK_FALSE(d.try_set_value(3));
        CHECK_FALSE(d.try_set_error(error("late")));
        const int value = co_await d;
        CHECK(value == 1);

        deferred<> failed;
        failed.set_error(error("first"));
        CHECK_THROWS_AS(failed.set_value(), std::system_error);
        std::string what;
        try {
            co_await failed;
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "first");
    });
}

TEST_CASE("a value whose constructor throws does not fire a deferred") {
    struct refuses {
        explicit refuses(int n) {
            if (n < 0) throw std::invalid_argument("negative");
        }
    };
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        deferred<refuses> d;
        CHECK_THROWS_AS(d.set_value(-1), std::invalid_argument);
        CHECK_FALSE(d.fired());
        d.set_value(1);
        co_await d;
    });
}

TEST_CASE("an error of a deferred comes out of each await") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        deferred<int> d;
        d.set_error(error("broken"));
        int caught = 0;
        for (int i = 0; i < 2; ++i) {
            try {
                co_await d;
            } catch (const std::runtime_error&) {
                ++caught;
            }
        }
        CHECK(caught == 2);
    });
    CHECK(on.take_errors().empty());
}

TEST_CASE("an error that nobody ever awaited goes to the error handler when the last copy is gone") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        {
            deferred<int> d;
            const deferred<int> copy = d;
            d.set_error(error("nobody listened"));
            CHECK(on.take_errors().empty());
        }
        const auto reports = on.take_errors();
        CHECK(reports.size() == 1);
        CHECK(reports.at(0).find("nobody listened") != std::string::npos);
        co_return;
    });
}

TEST_CASE("the error of a deferred whose only waiting task was cancelled is not lost") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        deferred<int> d;
        auto wait = [&]() -> task<int> { co_return co_await d; };
        const auto got = co_await bight::try_with_timeout(wait(), 1ms);
        CHECK_FALSE(got);
        d.set_error(error("too late"));
    });
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("too late") != std::string::npos);
}

TEST_CASE("a cancelled task leaves the list of a deferred, and the others keep their order") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<int> log;
    on.run([&]() -> task<> {
        deferred<int> d;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto impatient = [&]() -> task<> {
                const bool done = co_await bight::try_with_timeout(wait_and_note(d, log, 2), 1ms);
                CHECK_FALSE(done);
            };
            g.spawn(wait_and_note(d, log, 1));
            g.spawn(impatient);
            g.spawn(wait_and_note(d, log, 3));
            co_await bight::sleep_for(5ms);
            d.set_value(0);
        });
    });
    CHECK(log == std::vector<int>{100, 300});
}

TEST_CASE("the producer is told when the last one who waits is cancelled, and may fire all the same") {
    test::reactor_fixture on(any_demultiplexer);
    int told = 0;
    on.run([&]() -> task<> {
        deferred<int> d;
        d.on_abandoned([&] { ++told; });
        std::vector<int> log;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto briefly = [&]() -> task<> {
                const bool done = co_await bight::try_with_timeout(wait_and_note(d, log, 1), 1ms);
                CHECK_FALSE(done);
                CHECK(told == 0);  // the other still waits
            };
            auto longer = [&]() -> task<> {
                const bool done = co_await bight::try_with_timeout(wait_and_note(d, log, 2), 20ms);
                CHECK_FALSE(done);
            };
            g.spawn(briefly);
            g.spawn(longer);
            co_return;
        });
        CHECK(told == 1);
        const bool again = co_await bight::try_with_timeout(wait_and_note(d, log, 3), 1ms);
        CHECK_FALSE(again);
        CHECK(told == 2);
        d.set_value(9);
        const int value = co_await d;
        CHECK(value == 9);
        CHECK(log.empty());
    });
    CHECK(told == 2);
}

TEST_CASE("a producer is not told when somebody waits again before its turn has come") {
    test::reactor_fixture on(any_demultiplexer);
    int told = 0;
    std::vector<int> log;
    on.run([&]() -> task<> {
        deferred<int> d;
        d.on_abandoned([&] { ++told; });
        bight::group* cancelled = nullptr;
        auto leaves = [&]() -> task<> {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                cancelled = &g;
                co_await wait_and_note(d, log, 1);
            });
        };
        auto fires = [&]() -> task<> {
            for (int i = 0; i < 10; ++i) co_await bight::yield();
            CHECK(told == 0);
            d.set_value(7);
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(leaves);
            g.spawn(fires);
            while (!cancelled) co_await bight::yield();
            co_await bight::yield();
            cancelled->cancel();  // the producer is to be told in the next turn
            co_await wait_and_note(d, log, 2);
        });
    });
    CHECK(told == 0);
    CHECK(log == std::vector<int>{207});
}

TEST_CASE("the producer may fire, and use what it captured, while it is told that nobody waits") {
    test::reactor_fixture on(any_demultiplexer);
    std::string seen;
    on.run([&]() -> task<> {
        deferred<int> d;
        const auto text =
            std::make_shared<std::string>("a text that is too long for the string's own buffer");
        d.on_abandoned([d, text, &seen] {
            d.set_value(3);
            seen = *text;
        });
        std::vector<int> log;
        const bool done = co_await bight::try_with_timeout(wait_and_note(d, log, 1), 1ms);
        CHECK_FALSE(done);
        CHECK(d.fired());
        CHECK(text.use_count() == 1);  // fired: the callback is gone
        const int value = co_await d;
        CHECK(value == 3);
    });
    CHECK(seen.size() > 16);
}

TEST_CASE("firing lets go of the callback for an abandoned deferred") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        const auto held = std::make_shared<int>(1);
        deferred<> d;
        d.on_abandoned([held] {});
        CHECK(held.use_count() == 2);
        d.on_abandoned([held] {});  // replaces the first
        CHECK(held.use_count() == 2);
        d.set_value();
        CHECK(held.use_count() == 1);
        co_await d;
    });
}

TEST_CASE("firing on another thread throws wrong_thread; through post it works") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        deferred<int> d;
        std::error_code code;
        std::thread other([&] {
            try {
                d.set_value(1);
            } catch (const std::system_error& e) {
                code = e.code();
            }
            on.reactor().post([&d] { d.set_value(2); });
        });
        const int value = co_await d;
        other.join();
        CHECK(code == bight::errc::wrong_thread);
        CHECK(value == 2);
    });
}

TEST_CASE("awaiting in a task of another reactor throws wrong_thread and waits for nothing") {
    test::reactor_fixture on(any_demultiplexer);
    std::optional<deferred<int>> d;
    on.run([&]() -> task<> {
        d.emplace();
        co_return;
    });
    std::error_code code;
    bight::reactor another;
    auto waits = [&]() -> task<> {
        try {
            const int value = co_await *d;
            CHECK(value == 0);
        } catch (const std::system_error& e) {
            code = e.code();
        }
    };
    another.run(waits());
    CHECK(code == bight::errc::wrong_thread);
    on.run([&]() -> task<> {
        d->set_value(3);
        const int value = co_await *d;
        CHECK(value == 3);
    });
}

#ifndef NDEBUG
TEST_CASE("copying a deferred on another thread ends the program, and says what to write instead") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        auto root = []() -> task<> {
            deferred<int> d;
            std::thread([&d] { const deferred<int> copy = d; }).join();
            co_return;
        };
        r.run(root());
    });
    CHECK_THAT(said, Catch::Contains("a deferred was used from another thread") &&
                         Catch::Contains("bight::on(reactor, f)") && Catch::Contains("reactor::post"));
}
#endif

TEST_CASE("a deferred hands a value that only moves to the one who takes it") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        deferred<std::unique_ptr<int>> d;
        d.set_value(std::make_unique<int>(4));
        const auto& seen = co_await d;
        CHECK(*seen == 4);
        const std::unique_ptr<int> taken = co_await std::move(d);
        CHECK(*taken == 4);
    });
}

TEST_CASE("a loop over a million fired deferreds runs in bounded stack, and lets others run") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        deferred<int> d;
        d.set_value(1);
        long sum = 0;
        long others = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto beside = [&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            };
            g.spawn(beside);
            for (int i = 0; i < 1'000'000; ++i) sum += co_await d;
            g.cancel();
        });
        CHECK(sum == 1'000'000);
        CHECK(others >= 1'000'000 / (static_cast<long>(bight::reactor::completion_budget) + 1) - 1);
    });
}

TEST_CASE("a host loop's callbacks fire a deferred between two turns, and between two runs") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    std::optional<bight::deferred<int>> d;
    int got = 0;
    auto waits = [&]() -> task<> {
        d.emplace();
        got = co_await *d;
    };
    r.start(waits);
    while (r.run_once()) continue;
    REQUIRE(d);
    std::thread elsewhere([&] { CHECK_THROWS_AS(d->set_value(1), std::system_error); });
    elsewhere.join();
    d->set_value(2);
    CHECK(r.has_ready());
    CHECK(got == 0);
    while (r.run_once()) continue;
    CHECK(got == 2);

    r.start(waits);
    on.run([]() -> task<> { co_return; });
    while (r.run_once()) continue;
    d->set_value(3);
    while (r.run_once()) continue;
    CHECK(got == 3);
    d.reset();
}
