// How an fd_watch ends: by errors, by being destroyed, with its reactor.
#include "support/death.hpp"
#include "support/error_of.hpp"
#include "watched.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
using test::beside_a_watch;
using test::code_of;
using test::sleeps;
using test::socket_pair;
using test::to_read;
using test::to_write;
using test::until;

TEST_CASE("fd_watch: what a handler throws ends the run, and the next one goes on with all") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    fd_watch watch;
    std::vector<socket_pair> pairs(5);
    bool fails = true;
    for (const socket_pair& pair : pairs) {
        watch.add(pair.fd(), to_read, [&](fd_readiness) {
            if (std::exchange(fails, false)) throw std::runtime_error("of a handler");
            CHECK(watch.remove(pair.fd()));
        });
        pair.theirs.send("a byte");
    }
    CHECK_THROWS_WITH(on.run([&]() -> task<> { co_await watch.run(); }), "of a handler");
    CHECK(watch.list().size() == pairs.size());
    on.run([&]() -> task<> { co_await watch.run_until_empty(); });
}

TEST_CASE("fd_watch: is destroyed by a handler") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const socket_pair a;
        const socket_pair b;
        std::optional<fd_watch> watch(std::in_place);
        const std::string captured = "alive as long as the handler runs";
        std::string told;
        const auto destroy = [&, captured](fd_readiness) {
            watch.reset();
            told += captured;
        };
        watch->add(a.fd(), to_read, destroy);
        watch->add(b.fd(), to_read, destroy);
        a.theirs.send("a byte");
        b.theirs.send("a byte");
        co_await watch->run();
        CHECK(told == captured);
    });
}

TEST_CASE("fd_watch: is destroyed while it waits, and before it runs") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const socket_pair pair;
        auto watch = std::make_unique<fd_watch>();
        watch->add(pair.fd(), to_read, [](fd_readiness) { FAIL("nothing was sent"); });
        auto destroy = [&]() -> task<> {
            co_await bight::sleep_for(std::chrono::milliseconds(1));
            watch.reset();
        };
        co_await bight::when_all(watch->run(), destroy());
        watch = std::make_unique<fd_watch>();
        auto late = watch->run();
        watch.reset();
        co_await std::move(late);

        // What a handler holds adds another when the watch destroys it: nobody would watch that any more.
        watch = std::make_unique<fd_watch>();
        bool added = false;
        std::shared_ptr<void> user(nullptr, [&, own = watch.get()](void*) {
            own->add(pair.fd(), to_write, [](fd_readiness) { FAIL("the watch is gone"); });
            added = !own->list().empty();
        });
        watch->add(pair.fd(), to_read, [held = std::move(user)](fd_readiness) {});
        co_await bight::when_all(watch->run(), destroy());
        CHECK_FALSE(added);
    });
}

TEST_CASE("fd_watch: what handlers hold may use the watch when it is destroyed") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair a;
        const socket_pair b;
        const socket_pair c;
        int told = 0;
        // Removes b and adds c, whenever the handler that holds it goes.
        const auto user = [&] {
            return std::shared_ptr<void>(nullptr, [&](void*) {
                watch.remove(b.fd());
                watch.add(c.fd(), to_write, [&](fd_readiness) {
                    ++told;
                    watch.remove(c.fd());
                });
            });
        };
        const auto add = [&] {
            watch.add(a.fd(), to_read, [held = user()](fd_readiness) {});
            watch.add(b.fd(), to_read, [](fd_readiness) {});
        };
        add();
        CHECK(watch.remove(a.fd()));
        CHECK(watch.list() == std::vector<bight::watched_fd>{{c.fd(), to_write}});
        co_await until([&] { return told == 1; });
        add();
        watch.add(a.fd(), to_read, [](fd_readiness) {});
        co_await until([&] { return told == 2; });
        add();
        CHECK(watch.remove_all().size() == 2);
        co_await until([&] { return told == 3; });
    });
}

TEST_CASE("fd_watch: one task runs it, is cancelled, and another goes on") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    fd_watch watch;
    const socket_pair pair;
    on.run([&]() -> task<> {
        watch.add(pair.fd(), to_read, [&](fd_readiness) { CHECK(watch.remove(pair.fd())); });
        for (int i = 0; i < 2; ++i) {
            auto second = [&]() -> task<> {
                const auto code = co_await test::error_of(watch.run());
                CHECK(code == bight::errc::busy);
            };
            (void)co_await bight::when_any(watch.run(), second());
        }
        auto send = [&]() -> task<> {
            pair.theirs.send("a byte");
            co_return;
        };
        co_await bight::when_all(watch.run_until_empty(), send());
        co_await watch.run_until_empty();
    });
    on.reactor().post([&] { on.reactor().stop(); });
    CHECK_THROWS_AS(on.reactor().run(watch.run()), bight::run_cancelled);
}

TEST_CASE("fd_watch: keeps no run of its reactor from ending, and outlives it") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    fd_watch watch;
    const socket_pair pair;
    int told = 0;
    watch.add(pair.fd(), to_read, [&](fd_readiness) {
        ++told;
        pair.drain();
    });
    for (int round = 0; round < 2; ++round) {
        test::reactor_fixture on(kind);
        on.reactor().start(watch.run());
        on.run([&]() -> task<> {
            const int before = told;
            pair.theirs.send("a byte");
            co_await until([&] { return told > before; });
        });
    }
    CHECK(watch.list().size() == 1);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto send = [&]() -> task<> {
            pair.theirs.send("a byte");
            co_await until([&] { return told == 3; });
            const bool asleep = co_await sleeps(on.reactor());
            CHECK(asleep);
            CHECK(watch.remove(pair.fd()));
        };
        co_await bight::when_all(watch.run_until_empty(), send());
    });
}

// An eventfd that is written to wakes the host, too, however often: see uring::pollable.
TEST_CASE("fd_watch: a simulated host has no descriptors to be watched") {
    test::reactor_fixture on(test::reactor_choice::simulated(1));
    const socket_pair pair;
    on.run([&]() -> task<> {
        fd_watch watch;
        const auto add = [&] { watch.add(pair.fd(), to_read, [](fd_readiness) {}); };
        CHECK(code_of(add) == bight::errc::unavailable);
        const auto code = co_await test::error_of(watch.run());
        CHECK(code == bight::errc::unavailable);
        const auto of_ready = co_await bight::as_result(bight::fd_ready(pair.fd(), to_read));
        CHECK(of_ready.error() == bight::errc::unavailable);
    });
}

#ifndef NDEBUG
TEST_CASE("fd_watch: use from another thread ends the program, naming the ways across") {
    const std::string said = test::dying_words([] {
        const socket_pair pair;
        fd_watch watch;
        auto add = [&]() -> task<> {
            watch.add(pair.fd(), to_read, [](fd_readiness) {});
            co_return;
        };
        bight::reactor r;
        r.run(add());
        std::thread([&] { watch.remove(pair.fd()); }).join();
    });
    CHECK_THAT(said, Catch::Contains("an fd_watch was used from another thread"));
}
#endif
