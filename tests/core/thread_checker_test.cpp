#include <bight/core/detail/thread_checker.hpp>

#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/sync/event.hpp>
#include <bight/sync/mutex.hpp>

#include <string>
#include <thread>

using bight::task;
using Catch::Contains;

namespace {

task<> use(bight::detail::thread_checker& home) {
    home.check("a thing");
    co_return;
}

}  // namespace

// What is refused ends the process: so what is allowed runs in one of its own.
TEST_CASE("a primitive may be used before its reactor runs, and by the next reactor of the same thread") {
    test::child program([](const test::witness_pipe&) {
        const bight::detail::thread_checker home;
        home.check("a thing");
        std::thread([&] { home.check("a thing"); }).join();
        bight::detail::thread_checker used;
        {
            bight::reactor first;
            first.run(use(used));
        }
        used.check("a thing");
        bight::reactor second;
        bight::reactor third;
        second.run(use(used));
        third.run(use(used));
        second.run(use(used));
        return 0;
    });
    CHECK(program.exit_status() == 0);
}

TEST_CASE("a primitive may go with its reactor to another thread") {
    test::child program([](const test::witness_pipe&) {
        bight::detail::thread_checker used;
        bight::reactor_options options;
        options.demultiplexer = test::demultiplexers().back();  // an io_uring one stays where it ran first
        bight::reactor r(options);
        r.run(use(used));
        std::thread([&] { r.run(use(used)); }).join();
        return 0;
    });
    CHECK(program.exit_status() == 0);
}

#ifndef NDEBUG
TEST_CASE("use from another reactor's thread ends the program, naming the ways across") {
    const std::string said = test::dying_words([] {
        bight::reactor first;
        bight::detail::thread_checker used;
        first.run(use(used));
        std::thread([&] {
            bight::reactor second;
            second.run(use(used));
        }).join();
    });
    CHECK_THAT(said, Contains("a thing was used from another thread"));
    CHECK_THAT(said, Contains("bight::on(reactor, f)") && Contains("concurrent_channel") &&
                         Contains("reactor::post"));
}

TEST_CASE("unlocking, waiting and setting on a thread without a reactor ends the program") {
    const auto from_a_thread = [](auto use_it) {
        return test::dying_words([&] {
            bight::mutex m;
            bight::auto_reset_event e;
            auto root = [&]() -> task<> {
                bight::mutex_guard held = co_await m.lock();
                e.set();
                std::thread([&] { use_it(m, e, held); }).join();
            };
            bight::reactor r;
            r.run(root());
        });
    };
    CHECK_THAT(from_a_thread([](auto&, auto&, auto& held) { held.unlock(); }), Contains("a mutex was used"));
    CHECK_THAT(from_a_thread([](auto& m, auto&, auto&) { (void)m.try_lock(); }),
               Contains("a mutex was used"));
    CHECK_THAT(from_a_thread([](auto&, auto& e, auto&) { e.set(); }), Contains("an event was used"));
    CHECK_THAT(from_a_thread([](auto& m, auto&, auto&) {
                   auto wait = [&]() -> task<> { (void)co_await m.lock(); };
                   bight::reactor other;
                   other.run(wait());
               }),
               Contains("a mutex was used"));
}
#endif
