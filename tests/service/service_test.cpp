// service_tree: starting in order, readiness, stopping in reverse with deadlines, failures, restarts.
#include <bight/service/service.hpp>

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/run.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using bight::errc;
using bight::service;
using bight::service_failure;
using bight::service_options;
using bight::service_state;
using bight::service_tree;
using bight::shutdown_phase;
using bight::task;
using namespace std::chrono_literals;

namespace {

// Says what it does: "+a" begun, "a!" ready, "~a" told to stop, "-a" gone.
struct recorder {
    std::string log;

    struct at_end {
        recorder& to;
        std::string name;
        ~at_end() { to.log += "-" + name + " "; }
    };

    // A service that needs `start` to be ready, waits for its stop, and needs `stop` to end.
    auto patient(bight::duration start, bight::duration stop) {
        return [this, start, stop](service& self) -> task<> {
            const at_end here{*this, self.name()};
            log += "+" + self.name() + " ";
            co_await bight::sleep_for(start);
            log += self.name() + "! ";
            self.ready();
            co_await self.stopping();
            log += "~" + self.name() + " ";
            co_await bight::sleep_for(stop);
        };
    }
    // One that knows nothing of stopping.
    auto simple(std::string name) {
        return [this, name = std::move(name)]() -> task<> {
            const at_end here{*this, name};
            log += "+" + name + " ";
            co_await bight::sleep_for(24h);
        };
    }
};

service_options within(bight::duration start, bight::duration stop) {
    service_options options;
    options.start_deadline = start;
    options.stop_deadline = stop;
    return options;
}

task<> stop_after(service_tree& tree, bight::duration time) {
    co_await bight::sleep_for(time);
    tree.stop();
}

}  // namespace

TEST_CASE("services start in order, each when the one before is ready, and stop in reverse") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(1s, 2s));
        tree.add("b", r.patient(1s, 2s));
        tree.add("c", r.patient(1s, 2s));
        co_await bight::when_all(tree.run(), stop_after(tree, 10s));
        CHECK(r.log == "+a a! +b b! +c c! ~c -c ~b -b ~a -a ");
        CHECK(on.elapsed() == 16s);
    });
}

TEST_CASE("children start after their parent and before its next sibling, under its name") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        service& a = tree.add("a", r.patient(0s, 0s));
        tree.add("b", r.patient(0s, 0s));
        service& c = a.add("c", r.patient(0s, 0s));
        a.add("d", r.patient(0s, 0s));
        c.add("e", r.patient(0s, 0s));
        CHECK(c.name() == "a/c");
        CHECK(tree.to_string() == "idle a\nidle a/c\nidle a/c/e\nidle a/d\nidle b\n");
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            CHECK(tree.to_string() == "running a\nrunning a/c\nrunning a/c/e\nrunning a/d\nrunning b\n");
            CHECK(c.state() == service_state::running);
            tree.stop();
        };
        co_await bight::when_all(tree.run(), look());
        CHECK(r.log ==
              "+a a! +a/c a/c! +a/c/e a/c/e! +a/d a/d! +b b! "
              "~b -b ~a/d -a/d ~a/c/e -a/c/e ~a/c -a/c ~a -a ");
        CHECK(c.state() == service_state::ended);
    });
}

TEST_CASE("a service that takes no handle is ready when it has begun, and is cancelled at its stop") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.simple("a"));
        tree.add("b", r.simple("b"));
        co_await bight::when_all(tree.run(), stop_after(tree, 1s));
        CHECK(r.log == "+a +b -b -a ");
        CHECK(on.elapsed() == 1s);
    });
}

TEST_CASE("a service that does not wait for its stop at that moment is cancelled at once") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree tree;
        bool went_on = false;
        auto busy = [&](service& self) -> task<> {
            self.ready();
            co_await bight::sleep_for(1h);
            went_on = true;
            co_await self.stopping();
        };
        tree.add("busy", busy);
        co_await bight::when_all(tree.run(), stop_after(tree, 1s));
        CHECK_FALSE(went_on);
        CHECK(on.elapsed() == 1s);
    });
}

TEST_CASE("any task of a service may wait for its stop, and after it there is nothing to wait for") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree tree;
        std::string log;
        auto two_tasks = [&](service& self) -> task<> {
            self.ready();
            self.ready();  // does nothing
            auto works = [&]() -> task<> {
                while (!self.stop_requested()) co_await bight::sleep_for(1s);
                log += "worked ";
            };
            auto watches = [&]() -> task<> {
                co_await self.stopping();
                co_await self.stopping();
                log += "told ";
            };
            co_await bight::when_all(works(), watches());
        };
        tree.add("two", two_tasks);
        co_await bight::when_all(tree.run(), stop_after(tree, 2500ms));
        CHECK(log == "told worked ");
        CHECK(on.elapsed() == 3s);
    });
}

TEST_CASE("a wait for the stop that is cancelled no longer counts") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree tree;
        auto impatient = [&](service& self) -> task<> {
            self.ready();
            const bool stops = co_await bight::try_with_timeout(self.stopping(), 1s);
            CHECK_FALSE(stops);
            co_await bight::sleep_for(1h);
        };
        tree.add("impatient", impatient);
        co_await bight::when_all(tree.run(), stop_after(tree, 5s));
        CHECK(on.elapsed() == 5s);
    });
}

TEST_CASE("a service whose task returns is ready; when all have returned the run is over") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        auto once = [&](service&) -> task<> {
            co_await bight::sleep_for(1s);
            r.log += "migrated ";
        };
        tree.add("once", once);
        auto works = [&](service& self) -> task<> {
            self.ready();
            co_await bight::sleep_for(2s);
            r.log += "worked ";
        };
        tree.add("works", works);
        co_await tree.run();
        CHECK(r.log == "migrated worked ");
        CHECK(on.elapsed() == 3s);
    });
}

TEST_CASE("an empty tree, and one that is stopped before it runs, are over at once") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree empty;
        co_await empty.run();
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(1s, 1s));
        tree.stop();
        co_await tree.run();
        CHECK(r.log.empty());
        CHECK(on.elapsed() == 0s);
    });
}

TEST_CASE("a tree may run again") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(1s, 1s));
        for (int i = 0; i < 2; ++i) co_await bight::when_all(tree.run(), stop_after(tree, 2s));
        CHECK(r.log == "+a a! ~a -a +a a! ~a -a ");
    });
}

TEST_CASE("a tree that runs takes no service, and does not run twice at a time") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 0s));
        auto meddle = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            CHECK_THROWS_AS(tree.add("b", r.patient(0s, 0s)), std::logic_error);
            bool refused = false;
            try {
                co_await tree.run();
            } catch (const std::logic_error&) {
                refused = true;
            }
            CHECK(refused);
            CHECK(tree.to_string() == "running a\n");
            tree.stop();
        };
        co_await bight::when_all(tree.run(), meddle());
        CHECK(r.log == "+a a! ~a -a ");
    });
}

TEST_CASE("a service that is not ready in time stops the tree, and is named in the error") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(1s, 1s));
        tree.add("slow", r.patient(1h, 0s), within(5s, 5s));
        tree.add("c", r.patient(1s, 1s));
        std::error_code code;
        std::string text;
        try {
            co_await tree.run();
        } catch (const std::system_error& e) {
            code = e.code();
            text = e.what();
        }
        CHECK(code == errc::timed_out);
        CHECK_THAT(text, Catch::Contains("\"slow\""));
        CHECK(r.log == "+a a! +slow -slow ~a -a ");
        CHECK(on.elapsed() == 7s);
    });
}

TEST_CASE("the error of a service stops the others in good order, and is thrown at the end") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 1s));
        auto fails = [&](service& self) -> task<> {
            self.ready();
            co_await bight::sleep_for(2s);
            throw std::runtime_error("it failed");
        };
        tree.add("b", fails);
        tree.add("c", r.patient(0s, 1s));
        std::string text;
        try {
            co_await tree.run();
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        CHECK(text == "it failed");
        CHECK(r.log == "+a a! +c c! ~c -c ~a -a ");
        CHECK(on.elapsed() == 4s);
    });
    const auto log = on.take_log();
    REQUIRE(log.size() == 1);
    CHECK_THAT(log[0], Catch::Contains("\"b\"") && Catch::Contains("it failed"));
}

TEST_CASE("an error keeps the trace of the service that it comes from") {
    test::virtual_fixture on;
    auto fails = []() -> task<> {
        co_await bight::yield();
        throw std::runtime_error("it failed");
    };
    service_tree tree;
    tree.add("b", fails);
    CHECK(on.reactor().run_to_status(tree.main()) == 1);
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("service_test.cpp"));
}

TEST_CASE("a service that fails while it starts, and one that cannot even begin, stop those before") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        for (const bool at_once : {false, true}) {
            service_tree tree;
            tree.add("a", r.patient(0s, 0s));
            auto fails = [&](service&) -> task<> {
                co_await bight::sleep_for(1s);
                throw std::runtime_error("late");
            };
            auto throws = [](service&) -> task<> { throw std::runtime_error("at once"); };
            if (at_once) {
                tree.add("b", throws);
            } else {
                tree.add("b", fails);
            }
            tree.add("c", r.patient(0s, 0s));
            std::string text;
            try {
                co_await tree.run();
            } catch (const std::runtime_error& e) {
                text = e.what();
            }
            CHECK(text == (at_once ? "at once" : "late"));
        }
        CHECK(r.log == "+a a! ~a -a +a a! ~a -a ");
    });
}

TEST_CASE("services that fail together are all in the error") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree tree;
        auto fails = [&](service& self) -> task<> {
            self.ready();
            co_await bight::sleep_until(bight::reactor::current()->now() + 1s);
            throw std::runtime_error("failed");
        };
        tree.add("a", fails);
        tree.add("b", fails);
        std::size_t count = 0;
        try {
            co_await tree.run();
        } catch (const bight::aggregate_error& e) {
            count = e.errors().size();
        } catch (const std::runtime_error&) {
            count = 1;
        }
        CHECK(count == 2);
    });
}

TEST_CASE("a stop while a service starts stops it too, and starts no more") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(1s, 1s));
        tree.add("b", r.patient(10s, 1s));
        tree.add("c", r.patient(1s, 1s));
        co_await bight::when_all(tree.run(), stop_after(tree, 3s));
        CHECK(r.log == "+a a! +b -b ~a -a ");
        CHECK(on.elapsed() == 4s);
    });
}

TEST_CASE("a service that does not stop in time is cancelled, and reported; the rest follow") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 1s));
        tree.add("stubborn", r.patient(0s, 1h), within(5s, 5s));
        co_await bight::when_all(tree.run(), stop_after(tree, 1s));
        CHECK(r.log == "+a a! +stubborn stubborn! ~stubborn -stubborn ~a -a ");
        CHECK(on.elapsed() == 7s);
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("the service \"stubborn\"") && Catch::Contains("cancelled"));
}

TEST_CASE("a cancelled service that takes longer than its deadline is reported, and waited for") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree tree;
        bool cleaned = false;
        auto slow_end = [&]() -> task<> {
            auto clean_up = [&]() -> task<> {
                co_await bight::sleep_for(20s);
                cleaned = true;
            };
            co_await bight::finally(bight::sleep_for(24h), clean_up, 1h);
        };
        tree.add("slow", slow_end, within(5s, 5s));
        co_await bight::when_all(tree.run(), stop_after(tree, 1s));
        CHECK(cleaned);
        CHECK(on.elapsed() == 21s);
    });
    CHECK(on.take_errors().size() == 1);
}

TEST_CASE("an error while stopping is reported, and the others stop all the same") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 0s));
        auto fails = [&](service& self) -> task<> {
            self.ready();
            co_await self.stopping();
            throw std::runtime_error("no good end");
        };
        tree.add("b", fails);
        co_await bight::when_all(tree.run(), stop_after(tree, 1s));
        CHECK(r.log == "+a a! ~a -a ");
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("the service \"b\"") && Catch::Contains("no good end") &&
                              Catch::Contains("service_test.cpp"));
}

TEST_CASE("the phases: before while all run, during when all have ended, after at the end") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 0s));
        auto says = [&](const char* text) {
            return [&r, text]() -> task<> {
                co_await bight::sleep_for(1s);
                r.log += text;
            };
        };
        const auto third = tree.on_shutdown(shutdown_phase::after, "after", says("after "));
        const auto first = tree.on_shutdown(shutdown_phase::before, "before", says("before "));
        const auto second = tree.on_shutdown(shutdown_phase::during, "during", says("during "));
        co_await bight::when_all(tree.run(), stop_after(tree, 1s));
        CHECK(r.log == "+a a! before ~a -a during after ");
        CHECK(on.elapsed() == 4s);
    });
}

TEST_CASE("the hooks run after a failure, and when all services have ended by themselves") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        for (const bool fail : {false, true}) {
            service_tree tree;
            auto works = [fail]() -> task<> {
                co_await bight::sleep_for(1s);
                if (fail) throw std::runtime_error("failed");
            };
            tree.add("works", works);
            std::string log;
            const auto a = tree.on_shutdown(shutdown_phase::before, "a", [&] { log += "before "; });
            const auto b = tree.on_shutdown(shutdown_phase::after, "b", [&] { log += "after "; });
            bool failed = false;
            try {
                co_await tree.run();
            } catch (const std::runtime_error&) {
                failed = true;
            }
            CHECK(failed == fail);
            CHECK(log == "before after ");
        }
    });
}

TEST_CASE("a service that fails while the program drains is reported") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree tree;
        auto fails = [&](service& self) -> task<> {
            self.ready();
            co_await bight::sleep_for(2s);
            throw std::runtime_error("too late");
        };
        tree.add("b", fails);
        auto drains = []() -> task<> { co_await bight::sleep_for(5s); };
        const auto hook = tree.on_shutdown(shutdown_phase::before, "drain", drains);
        co_await bight::when_all(tree.run(), stop_after(tree, 1s));
        CHECK(on.elapsed() == 6s);
    });
    CHECK(on.take_errors().size() == 1);
}

TEST_CASE("a cancellation from outside is a shutdown in good order, and is passed on") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 1s));
        tree.add("b", r.patient(0s, 1s));
        auto says = [&] { r.log += "after "; };
        const auto hook = tree.on_shutdown(shutdown_phase::after, "says", says);
        bool went_on = false;
        auto runs = [&]() -> task<> {
            co_await tree.run();
            went_on = true;
        };
        const bool in_time = co_await bight::try_with_timeout(runs(), 3s);
        CHECK_FALSE(in_time);
        CHECK_FALSE(went_on);
        CHECK(r.log == "+a a! +b b! ~b -b ~a -a after ");
        CHECK(on.elapsed() == 5s);
    });
}

TEST_CASE("an error beats the cancellation that came meanwhile") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 5s));
        auto fails = []() -> task<> {
            co_await bight::sleep_for(1s);
            throw std::runtime_error("failed first");
        };
        tree.add("b", fails);
        std::string text;
        try {
            co_await bight::with_timeout(tree.main(), 3s);
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        CHECK(text == "failed first");
        CHECK(on.elapsed() == 6s);
    });
}

TEST_CASE("a task that is cancelled already starts nothing") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        tree.add("a", r.patient(0s, 0s));
        auto late = [&]() -> task<> {
            co_await bight::shield(bight::sleep_for(2s), 1h);
            co_await tree.run();
        };
        const bool in_time = co_await bight::try_with_timeout(late(), 1s);
        CHECK_FALSE(in_time);
        CHECK(r.log.empty());
    });
}

TEST_CASE("stop_now cancels what has not stopped, at once") {
    test::virtual_fixture on;
    recorder r;
    service_tree tree;
    tree.add("a", r.patient(0s, 5s), within(1h, 1h));
    tree.add("b", r.patient(0s, 5s), within(1h, 1h));
    auto root = [&]() -> task<> {
        auto hurries = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            on.reactor().stop();
            co_await bight::shield(bight::sleep_for(1s), 1h);
            on.reactor().stop_now();
            co_await bight::yield();
        };
        co_await bight::when_all(tree.run(), bight::shield(hurries(), 1h));
    };
    CHECK_THROWS_AS(on.run(root()), bight::run_cancelled);
    CHECK(r.log == "+a a! +b b! ~b -b ~a -a ");
    CHECK(on.elapsed() == 2s);
    CHECK(on.take_errors().size() == 2);
}

TEST_CASE("a service that fails is restarted, if so asked, after a while and so often") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        service_options options;
        options.on_failure = service_failure::restart;
        options.restarts = 2;
        options.restart_delay = 3s;
        tree.add("a", r.patient(0s, 0s));
        auto fragile = [&](service& self) -> task<> {
            r.log += "+fragile ";
            self.ready();
            co_await bight::sleep_for(1s);
            throw std::runtime_error("broken");
        };
        service& s = tree.add("fragile", fragile, options);
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(2s);
            CHECK(s.state() == service_state::starting);
        };
        std::string text;
        auto runs = [&]() -> task<> {
            try {
                co_await tree.run();
            } catch (const std::runtime_error& e) {
                text = e.what();
            }
        };
        co_await bight::when_all(runs(), look());
        CHECK(text == "broken");
        CHECK(r.log == "+a a! +fragile +fragile +fragile ~a -a ");
        CHECK(on.elapsed() == 9s);
    });
    CHECK(on.take_errors().size() == 2);
}

TEST_CASE("a service may need a restart to become ready; a stop meanwhile does not wait for it") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        service_options options;
        options.on_failure = service_failure::restart;
        options.restart_delay = 1s;
        int tries = 0;
        auto fragile = [&](service& self) -> task<> {
            if (++tries == 1) throw std::runtime_error("not yet");
            self.ready();
            co_await bight::sleep_for(10s);
            throw std::runtime_error("broken");
        };
        options.restart_delay = 20s;
        tree.add("fragile", fragile, options);
        tree.add("b", r.patient(0s, 0s));
        co_await bight::when_all(tree.run(), stop_after(tree, 35s));
        CHECK(tries == 2);
        CHECK(r.log == "+b b! ~b -b ");
        CHECK(on.elapsed() == 35s);
    });
    CHECK(on.take_errors().size() == 2);
}

TEST_CASE("the tree of tasks names the services and what they wait for") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        recorder r;
        service_tree tree;
        service& a = tree.add("a", r.patient(0s, 0s));
        a.add("b", r.patient(0s, 0s));
        std::string dump;
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            dump = on.reactor().dump_tasks();
            tree.stop();
        };
        co_await bight::when_all(tree.run(), look());
        CHECK_THAT(dump, Catch::Contains("a tree of 2 services") && Catch::Contains("the service a/b") &&
                             Catch::Contains("the stop of the service a/b"));
    });
}

TEST_CASE("a service that fails in the turn of a stop is not restarted: its error is thrown") {
    test::virtual_fixture on;
    int begun = 0;
    on.run([&]() -> task<> {
        service_tree tree;
        service_options options;
        options.on_failure = service_failure::restart;
        auto fragile = [&](service& self) -> task<> {
            ++begun;
            self.ready();
            co_await bight::sleep_for(1s);
            tree.stop();
            throw std::runtime_error("broken");
        };
        tree.add("fragile", fragile, options);
        std::string text;
        try {
            co_await tree.run();
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        CHECK(text == "broken");
    });
    CHECK(begun == 1);
    on.take_log();
}

TEST_CASE("the restarts of a service are counted anew in each run of its tree") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        service_tree tree;
        service_options options;
        options.on_failure = service_failure::restart;
        options.restarts = 1;
        options.restart_delay = 1s;
        int begun = 0;
        auto fragile = [&](service&) -> task<> {
            if (++begun % 2 == 1) throw std::runtime_error("broken");
            co_return;
        };
        tree.add("fragile", fragile, options);
        for (int runs = 1; runs <= 3; ++runs) {
            co_await tree.run();
            CHECK(begun == 2 * runs);
        }
    });
    CHECK(on.take_errors().size() == 3);
}
