#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/reactors.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using log_of = std::vector<std::string>;

task<int> value(log_of& log) {
    co_await bight::yield();
    log.push_back("body");
    co_return 4;
}
task<int> failure() {
    co_await bight::yield();
    throw std::runtime_error("of the body");
}
task<int> endless(log_of& log) {
    struct mark {
        log_of& to;
        ~mark() { to.push_back("body unwound"); }
    };
    const mark here{log};
    co_await bight::sleep_for(1h);
    co_return 0;
}

// Clean-up that takes a while.
auto cleaning(log_of& log) {
    return [&log]() -> task<> {
        co_await bight::sleep_for(2ms);
        log.push_back("cleaned");
    };
}
task<> failing_clean_up() {
    co_await bight::yield();
    throw std::logic_error("of the clean-up");
}

task<> cancelled_after(bight::duration when, task<> t) {
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn(std::move(t));
        co_await bight::sleep_for(when);
        g.cancel();
    });
}

}  // namespace

TEST_CASE("finally runs the clean-up after the body, and gives the body's value") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        const int n = co_await bight::finally(value(log), cleaning(log));
        CHECK(n == 4);
    });
    CHECK(log == log_of{"body", "cleaned"});
    CHECK(on.reactor().statistics().live_timers == 0);
}

TEST_CASE("what the body of finally holds goes before the clean-up runs") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        auto held = std::make_shared<int>(1);
        auto body = [](std::shared_ptr<int> owned) -> task<int> {
            co_await bight::yield();
            co_return *owned;
        };
        auto failing = [](std::shared_ptr<int> owned) -> task<int> {
            co_await bight::yield();
            throw std::runtime_error("of one that holds " + std::to_string(*owned));
        };
        auto clean_up = [&]() -> task<> {
            CHECK(held.use_count() == 1);
            co_return;
        };
        const int got = co_await bight::finally(body(held), clean_up);
        CHECK(got == 1);
        std::string caught;
        try {
            co_await bight::finally(failing(held), clean_up);
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
        CHECK(caught == "of one that holds 1");
    });
}

TEST_CASE("finally runs the clean-up before the body's error comes out") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        try {
            co_await bight::finally(failure(), cleaning(log));
        } catch (const std::runtime_error& e) {
            log.push_back(e.what());
        }
    });
    CHECK(log == log_of{"cleaned", "of the body"});
}

TEST_CASE("finally runs the clean-up when the body is cancelled, and the cancellation is passed on") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto t = [&]() -> task<> {
        co_await bight::finally(endless(log), cleaning(log));
        log.push_back("never");
    };
    on.run(cancelled_after(1ms, t()));
    CHECK(log == log_of{"body unwound", "cleaned"});
}

TEST_CASE("a cancellation during the clean-up waits for it; the body's value is delivered") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto t = [&]() -> task<> {
        auto clean = [&]() -> task<> {
            co_await bight::sleep_for(10ms);
            log.push_back("cleaned");
        };
        const int n = co_await bight::finally(value(log), clean);
        log.push_back("value " + std::to_string(n));
        co_await bight::yield();
        log.push_back("never");
    };
    on.run(cancelled_after(3ms, t()));
    CHECK(log == log_of{"body", "cleaned", "value 4"});
}

TEST_CASE("finally in a task that is cancelled already skips the body and runs the clean-up") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto t = [&]() -> task<> {
        co_await bight::shield(bight::sleep_for(5ms), 1h);  // the cancellation comes in here
        log.push_back("cancelled");
        auto body = [&]() -> task<> {
            log.push_back("body begun");
            co_await bight::yield();
        };
        co_await bight::finally(body(), cleaning(log));
        log.push_back("never");
    };
    on.run(cancelled_after(1ms, t()));
    CHECK(log == log_of{"cancelled", "cleaned"});
}

TEST_CASE("an error of the clean-up is thrown when the body had none") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        std::string what;
        try {
            co_await bight::finally(value(log), failing_clean_up);
        } catch (const std::logic_error& e) {
            what = e.what();
        }
        CHECK(what == "of the clean-up");
    });
}

TEST_CASE("an error of the clean-up is reported when the body's error, or its cancellation, comes out") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        std::string what;
        try {
            co_await bight::finally(failure(), failing_clean_up);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "of the body");
    });
    auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("of the clean-up") != std::string::npos);

    auto t = [&]() -> task<> { co_await bight::finally(endless(log), failing_clean_up); };
    on.run(cancelled_after(1ms, t()));
    reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("of the clean-up") != std::string::npos);
}

TEST_CASE("what calling the clean-up throws is an error of the clean-up") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        auto no_task = []() -> task<> { throw std::logic_error("no clean-up"); };
        std::string what;
        try {
            co_await bight::finally(value(log), no_task);
        } catch (const std::logic_error& e) {
            what = e.what();
        }
        CHECK(what == "no clean-up");
        CHECK(log == log_of{"body"});
    });
}

TEST_CASE("the deadline ends a clean-up: timed_out after a value, the body's error after an error") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        auto slow = [&]() -> task<> {
            co_await bight::sleep_for(1h);
            log.push_back("never");
        };
        std::error_code code;
        try {
            co_await bight::finally(value(log), slow, 2ms);
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == bight::errc::timed_out);
        std::string what;
        try {
            co_await bight::finally(failure(), slow, 2ms);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "of the body");
        auto cancelled = [&]() -> task<> { co_await bight::finally(endless(log), slow, 2ms); };
        co_await cancelled_after(1ms, cancelled());
    });
    CHECK(log == log_of{"body", "body unwound"});
    CHECK(on.take_errors().size() == 2);
}

TEST_CASE("the clean-up may open scopes of its own, and what it captured lives until it has ended") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto t = [&]() -> task<> {
        auto text = std::make_unique<std::string>("a captured text of some length");
        auto clean = [&log, text = std::move(text)]() -> task<> {
            const bool in_time = co_await bight::try_with_timeout(bight::sleep_for(1ms), 1h);
            CHECK(in_time);
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    co_await bight::sleep_for(1ms);
                    log.push_back(*text);
                });
                co_return;
            });
        };
        co_await bight::finally(endless(log), std::move(clean));
    };
    on.run(cancelled_after(1ms, t()));
    CHECK(log == log_of{"body unwound", "a captured text of some length"});
}

TEST_CASE("nested clean-ups run innermost first") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto t = [&]() -> task<> {
        auto inner = [&]() -> task<int> {
            auto clean = [&]() -> task<> {
                co_await bight::sleep_for(1ms);
                log.push_back("inner");
            };
            co_return co_await bight::finally(endless(log), clean);
        };
        auto clean = [&]() -> task<> {
            co_await bight::yield();
            log.push_back("outer");
        };
        co_await bight::finally(inner(), clean);
    };
    on.run(cancelled_after(1ms, t()));
    CHECK(log == log_of{"body unwound", "inner", "outer"});
}

TEST_CASE("stop_now ends a clean-up") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto root = [&]() -> task<> {
        auto slow = [&]() -> task<> {
            log.push_back("cleaning");
            on.reactor().stop_now();
            co_await bight::sleep_for(1h);
            log.push_back("never");
        };
        on.reactor().stop();
        co_await bight::finally(endless(log), slow, 1h);
    };
    CHECK_THROWS_AS(on.run(root()), bight::run_cancelled);
    CHECK(log == log_of{"body unwound", "cleaning"});
}

TEST_CASE("a clean-up that is too slow is reported when the body's outcome is the one that comes out") {
    test::virtual_fixture on;
    const bool cancelled = GENERATE(true, false);
    log_of log;
    on.run([&]() -> task<> {
        auto slow = []() -> task<> { co_await bight::sleep_for(1h); };
        if (cancelled) {
            co_await cancelled_after(
                1s, [&]() -> task<> { (void)co_await bight::finally(endless(log), slow, 5s); }());
        } else {
            std::string what;
            try {
                (void)co_await bight::finally(failure(), slow, 5s);
            } catch (const std::exception& e) {
                what = e.what();
            }
            CHECK(what == "of the body");
        }
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("the clean-up given to finally: the deadline passed"));
}
