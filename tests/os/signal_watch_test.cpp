// signal_watch, as all systems have it: signals that the program raises in itself. Those of POSIX alone are
// in signal_watch_posix_test.cpp.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/error_of.hpp"
#include "support/gate.hpp"
#include "support/reactors.hpp"
#include "support/signal_handlers.hpp"

#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/run.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>
#include <bight/os/signal_watch.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using bight::received_signal;
using bight::signal_watch;
using bight::task;
using test::error_of;
using test::handler_of;
using test::reactor_fixture;
using namespace std::chrono_literals;

namespace {

extern "C" void ignoring_handler(int) {}

// The error of watching this number.
std::system_error refusal_of(int number) {
    try {
        const signal_watch w{number};
    } catch (const std::system_error& e) {
        return e;
    }
    return std::system_error(std::error_code(), "it was taken");
}

task<int> number_of_next(signal_watch& from) {
    const received_signal came = co_await from.next();
    co_return came.number;
}

}  // namespace

TEST_CASE("a signal is told, whether it comes before the await or during it") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        signal_watch w{SIGTERM};
        std::raise(SIGTERM);
        int number = co_await number_of_next(w);
        CHECK(number == SIGTERM);
        for (int i = 0; i < 3; ++i) {
            test::gate waits;
            std::thread raises([&] {
                waits.pass();
                std::raise(SIGTERM);
            });
            bight::reactor::current()->post([&] { waits.open(); });
            number = co_await number_of_next(w);
            raises.join();
            CHECK(number == SIGTERM);
        }
        CHECK_FALSE(w.try_next());
    });
}

TEST_CASE(
    "a signal that comes several times before it is taken is told once, and again when it comes again") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        signal_watch w{SIGINT};
        for (int i = 0; i < 5; ++i) std::raise(SIGINT);
        const int number = co_await number_of_next(w);
        CHECK(number == SIGINT);
        CHECK_FALSE(w.try_next());
        std::raise(SIGINT);
        const auto again = w.try_next();
        REQUIRE(again);
        CHECK(again->number == SIGINT);
        CHECK_FALSE(w.try_next());
    });
}

TEST_CASE("a watch of several numbers tells each, and one that comes all the time does not hide another") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const std::vector<int> numbers{SIGINT, SIGTERM, SIGINT};
        signal_watch w{std::span<const int>(numbers)};
        bool terminates = false;
        std::raise(SIGTERM);
        for (int i = 0; i < 2; ++i) {
            std::raise(SIGINT);
            const int number = co_await number_of_next(w);
            terminates = terminates || number == SIGTERM;
        }
        CHECK(terminates);
        CHECK(w.try_next());  // the second SIGINT, once, although the number was given twice
        CHECK_FALSE(w.try_next());
    });
}

TEST_CASE("all watches of one reactor are told, each once, also when one of them goes") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        signal_watch first{SIGTERM};
        auto second = std::make_unique<signal_watch>(std::initializer_list<int>{SIGTERM, SIGINT});
        std::vector<std::unique_ptr<signal_watch>> many;
        for (int i = 0; i < 300; ++i) {
            many.push_back(std::make_unique<signal_watch>(std::initializer_list<int>{SIGTERM}));
        }
        auto both = bight::when_all(number_of_next(first), number_of_next(*second));
        bight::reactor::current()->post([] { std::raise(SIGTERM); });
        const auto [one, two] = co_await std::move(both);
        CHECK(one == SIGTERM);
        CHECK(two == SIGTERM);
        for (const auto& w : many) CHECK(w->try_next());
        second.reset();
        many.clear();
        std::raise(SIGTERM);
        const int number = co_await number_of_next(first);
        CHECK(number == SIGTERM);
    });
}

TEST_CASE("watches on several reactors are all told; one that has gone is not missed") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto before = handler_of(SIGTERM);
    constexpr int reactors = 4;
    std::atomic<int> told = 0;
    test::gate all_watch;
    const auto watches = [&]() -> task<> {
        signal_watch w{SIGTERM};
        bight::reactor::current()->post([&] { all_watch.pass(); });
        const int number = co_await number_of_next(w);
        if (number == SIGTERM) ++told;
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < reactors; ++i) {
        threads.emplace_back([&] {
            bight::reactor r(test::options_on(kind));
            r.run(watches());
        });
    }
    all_watch.await(reactors);
    std::raise(SIGTERM);
    all_watch.open();
    for (auto& t : threads) t.join();
    CHECK(told == reactors);
    CHECK(handler_of(SIGTERM) == before);
}

TEST_CASE("the action that was there before is there again with the last watch") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const auto first_of_all = handler_of(SIGINT);
        for (const auto before : {SIG_DFL, SIG_IGN, static_cast<test::signal_handler>(&ignoring_handler)}) {
            std::signal(SIGINT, before);
            {
                auto first = std::make_unique<signal_watch>(std::initializer_list<int>{SIGINT});
                const signal_watch second{SIGINT};
                first.reset();
                CHECK(handler_of(SIGINT) != before);
                try {
                    const signal_watch third{SIGINT, SIGSEGV};
                    FAIL("SIGSEGV was taken");
                } catch (const std::system_error&) {
                }
                CHECK(handler_of(SIGINT) != before);
            }
            CHECK(handler_of(SIGINT) == before);
        }
        std::signal(SIGINT, first_of_all);
        co_return;
    });
}

TEST_CASE("an action that the program sets meanwhile stays") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const auto first_of_all = handler_of(SIGINT);
        {
            const signal_watch w{SIGINT};
            std::signal(SIGINT, &ignoring_handler);
        }
        CHECK(handler_of(SIGINT) == &ignoring_handler);
        {
            signal_watch w{SIGINT};
            std::raise(SIGINT);
            const int number = co_await number_of_next(w);
            CHECK(number == SIGINT);
        }
        CHECK(handler_of(SIGINT) == &ignoring_handler);
        std::signal(SIGINT, first_of_all);
    });
}

TEST_CASE("an await that is cancelled takes no signal") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        signal_watch w{SIGTERM};
        // The signal comes in the turn in which the wait is cancelled, before that or after it.
        for (int i = 0; i < 20; ++i) {
            bool taken = false;
            auto takes = [&]() -> task<> {
                co_await w.next();
                taken = true;
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(takes);
                co_await bight::yield();
                if (i % 2 == 0) std::raise(SIGTERM);
                if (i % 4 < 2) co_await bight::yield();
                g.cancel();
                if (i % 2 != 0) std::raise(SIGTERM);
            });
            if (taken) continue;
            const int number = co_await number_of_next(w);
            CHECK(number == SIGTERM);
        }
        CHECK_FALSE(w.try_next());
    });
}

TEST_CASE("with a deadline that comes first nothing is lost") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        signal_watch w{SIGTERM};
        const auto none = co_await bight::try_with_timeout(number_of_next(w), 1h);
        CHECK_FALSE(none);
        CHECK(on.elapsed() >= 1h);
        std::raise(SIGTERM);
        const auto one = co_await bight::try_with_timeout(number_of_next(w), 1h);
        CHECK(one == SIGTERM);
    });
}

TEST_CASE("what is no signal, or cannot be waited for, is refused, and the text says which and why") {
    reactor_fixture on(test::any_demultiplexer);
    const auto before = handler_of(SIGINT);
    on.run([]() -> task<> {
        for (const int number : {SIGSEGV, SIGFPE, SIGILL, SIGABRT}) {
            const std::system_error refused = refusal_of(number);
            CHECK(refused.code() == std::errc::invalid_argument);
            CHECK_THAT(refused.what(), Catch::Contains("signal_watch: " + bight::signal_name(number) + " "));
        }
        for (const int number : {0, -1, 129, 100'000}) {
            const std::system_error refused = refusal_of(number);
            CHECK(refused.code() == std::errc::invalid_argument);
            CHECK_THAT(refused.what(), Catch::Contains(std::to_string(number) + " is not a signal"));
        }
        try {
            const signal_watch nothing(std::initializer_list<int>{});
            FAIL("it waits for nothing");
        } catch (const std::system_error& e) {
            CHECK(e.code() == std::errc::invalid_argument);
        }
        co_return;
    });
    CHECK(handler_of(SIGINT) == before);
    CHECK_THROWS_AS(signal_watch({SIGINT}), std::logic_error);
}

TEST_CASE("one task at a time waits in a watch, on its own reactor; one whose watch goes is told") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        auto w = std::make_unique<signal_watch>(std::initializer_list<int>{SIGTERM});
        std::error_code of_first;
        auto waits = [&]() -> task<> { of_first = co_await error_of(w->next()); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(waits);
            co_await bight::yield();
            const auto of_second = co_await error_of(w->next());
            CHECK(of_second == bight::errc::busy);
            std::error_code elsewhere;
            auto asks = [&]() -> task<> { elsewhere = co_await error_of(w->next()); };
            std::thread([&] { bight::reactor().run(asks()); }).join();
            CHECK(elsewhere == bight::errc::wrong_thread);
            w.reset();
        });
        CHECK(of_first == bight::errc::closed);
    });
}

TEST_CASE("a watch that outlives its reactor is told nothing more, and leaves the action that was there") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto before = handler_of(SIGTERM);
    std::unique_ptr<signal_watch> w;
    {
        reactor_fixture on(kind);
        on.run([&]() -> task<> {
            w = std::make_unique<signal_watch>(std::initializer_list<int>{SIGTERM});
            co_return;
        });
        CHECK(handler_of(SIGTERM) != before);
    }
    CHECK(handler_of(SIGTERM) == before);
    CHECK_FALSE(w->try_next());
}

TEST_CASE("a watch takes a signal over from run, which has it again when the watch has gone") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const bool watch_first = GENERATE(true, false);
    test::child c([&](const test::witness_pipe& pipe) {
        auto inner = [&]() -> task<> {
            std::raise(SIGTERM);
            co_await bight::sleep_for(1h);
        };
        auto program = [&]() -> task<> {
            {
                signal_watch w{SIGTERM};
                std::raise(SIGTERM);
                const int number = co_await number_of_next(w);
                if (number == SIGTERM) pipe.say("told\n");
                std::raise(SIGTERM);
                co_await bight::yield();
            }
            co_await inner();
        };
        bight::run_options options;
        options.reactor.demultiplexer = kind;
        if (!watch_first) return bight::run(program(), options);
        // A watch of another reactor is there when run begins, and goes during the run.
        bight::reactor other(options.reactor);
        std::optional<signal_watch> early;
        auto watches = [&]() -> task<> {
            early.emplace(std::initializer_list<int>{SIGTERM});
            co_return;
        };
        other.run(watches());
        auto later = [&]() -> task<> {
            std::raise(SIGTERM);
            co_await bight::yield();
            pipe.say("told\n");
            early.reset();
            co_await inner();
        };
        return bight::run(later(), options);
    });
    CHECK(c.exit_status() == 128 + SIGTERM);
    CHECK(c.said() == "told\n");
}

TEST_CASE("a signal between two turns of a reactor ends the wait of the next one") {
    reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    int number = 0;
    auto waits = [&]() -> task<> {
        signal_watch w{SIGTERM};
        number = co_await number_of_next(w);
    };
    r.start(waits);
    while (r.run_once()) {
    }
    std::raise(SIGTERM);
    while (number == 0) r.run_once(bight::duration::max());
    CHECK(number == SIGTERM);
}

TEST_CASE("the tree of tasks says which signals are waited for") {
    reactor_fixture on(test::any_demultiplexer);
    on.run([]() -> task<> {
        signal_watch w{SIGINT, SIGTERM};
        auto waits = [&]() -> task<> { (void)co_await w.next(); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(waits);
            co_await bight::yield();
            CHECK_THAT(bight::reactor::current()->dump_tasks(),
                       Catch::Contains("a signal (SIGINT, SIGTERM)"));
            g.cancel();
        });
    });
    CHECK(bight::signal_name(SIGTERM) == "SIGTERM");
    CHECK(bight::signal_name(1000) == "signal 1000");
}
