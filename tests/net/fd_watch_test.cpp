// What an fd_watch tells of descriptors.
#include "support/cancellable.hpp"
#include "watched.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
using test::beside_a_watch;
using test::for_priority;
using test::sleeps;
using test::socket_pair;
using test::to_read;
using test::to_write;
using test::until;

TEST_CASE("fd_watch: tells that a descriptor is readable as long as it is, and then sleeps") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        const socket_pair pair;
        int told = 0;
        watch.add(pair.fd(), to_read, [&](fd_readiness now) {
            CHECK(now == fd_readiness{.readable = true});
            if (++told % 3 == 0) pair.drain();
        });
        const bool before = co_await sleeps(r);
        CHECK(before);
        for (int i = 1; i <= 3; ++i) {
            pair.theirs.send("a byte");
            co_await until([&] { return told == 3 * i; });
            const bool after = co_await sleeps(r);
            CHECK(after);
            CHECK(told == 3 * i);
        }
    });
}

TEST_CASE("fd_watch: tells of what was asked for, and of nothing else, until that is changed") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        const socket_pair pair;
        fd_readiness last;
        int told = 0;
        watch.add(pair.fd(), {.readable = true, .writable = true}, [&](fd_readiness now) {
            last = now;
            ++told;
        });
        co_await until([&] { return told > 0; });
        CHECK(last == fd_readiness{.writable = true});
        pair.theirs.send("a byte");
        co_await until([&] { return last.readable; });
        CHECK(last == fd_readiness{.readable = true, .writable = true});

        watch.change(pair.fd(), to_read);
        co_await until([&] { return !last.writable; });
        CHECK(last == fd_readiness{.readable = true});
        pair.drain();
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);

        watch.change(pair.fd(), {});
        pair.theirs.send("a byte");
        told = 0;
        const bool paused = co_await sleeps(r);
        CHECK(paused);
        CHECK(told == 0);
        CHECK(watch.list() == std::vector<bight::watched_fd>{{pair.fd(), {}}});

        watch.change(pair.fd(), to_read);
        co_await until([&] { return told > 0; });
        CHECK(last == fd_readiness{.readable = true});
    });
}

TEST_CASE("fd_watch: tells of urgent data alone") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        const test::tcp_pair pair;
        int told = 0;
        char urgent = 0;
        if (!test::tells_of_urgent_data()) {
            const auto add = [&] { watch.add(pair.fd(), for_priority, [](fd_readiness) {}); };
            CHECK_THROWS_WITH(add(), Catch::Contains("cannot be watched for urgent data"));
            watch.add(pair.fd(), to_read, [](fd_readiness) {});
            const auto change = [&] { watch.change(pair.fd(), for_priority); };
            CHECK(test::code_of(change) == std::errc::operation_not_supported);
            CHECK(watch.list() == std::vector<bight::watched_fd>{{pair.fd(), to_read}});
            co_return;
        }
        watch.add(pair.fd(), for_priority, [&](fd_readiness now) {
            CHECK(now == fd_readiness{.priority = true});
            if (++told == 2) CHECK(::recv(pair.fd(), &urgent, 1, MSG_OOB) == 1);
        });
        pair.theirs.send("ordinary");
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);
        CHECK(told == 0);
        CHECK(::send(pair.theirs.get(), "!", 1, MSG_OOB) == 1);
        co_await until([&] { return urgent != 0; });
        CHECK(urgent == '!');
        const bool after = co_await sleeps(r);
        CHECK(after);
        CHECK(told == 2);
    });
}

TEST_CASE("fd_watch: an end and an error are told to those who read or write") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        socket_pair pair;
        fd_readiness last;
        watch.add(pair.fd(), to_read, [&](fd_readiness now) { last = now; });
        pair.theirs.close();
        co_await until([&] { return last.hung_up; });
        CHECK(last == fd_readiness{.readable = true, .hung_up = true});
        watch.change(pair.fd(), to_write);
        co_await until([&] { return last.writable; });
        CHECK(last == fd_readiness{.writable = true, .hung_up = true});
        CHECK(watch.remove(pair.fd()));
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);
    });
}

TEST_CASE("fd_watch: an end that nobody has asked for is not told, and keeps nobody awake") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        test::tcp_pair urgent;
        socket_pair paused;
        int told = 0;
        const auto count = [&](fd_readiness) { ++told; };
        watch.add(urgent.fd(), test::tells_of_urgent_data() ? for_priority : bight::fd_interest(), count);
        watch.add(paused.fd(), {}, count);
        urgent.theirs.reset();
        paused.theirs.close();
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);
        CHECK(told == 0);
        watch.change(urgent.fd(), to_read);
        watch.change(paused.fd(), to_write);
        co_await until([&] { return told >= 2; });
    });
}

TEST_CASE("fd_watch: many that never drain what they have share the turns with each other and with tasks") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        std::vector<socket_pair> pairs(150);
        std::vector<int> served(pairs.size());
        int in_turn = 0;
        std::uint64_t turn = 0;
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            watch.add(pairs[i].fd(), to_write, [&, i](fd_readiness) {
                if (std::exchange(turn, r.statistics().turns) != turn) in_turn = 0;
                CHECK(++in_turn <= 64);
                ++served[i];
            });
        }
        // The task that yields has a turn for each of theirs, and a timer fires.
        co_await until([&] { return *std::ranges::min_element(served) >= 10; });
        co_await bight::sleep_for(std::chrono::milliseconds(1));
        const auto [least, most] = std::minmax_element(served.begin(), served.end());
        CHECK(*most <= *least + 2);
        CHECK(watch.remove_all().size() == 150);
    });
}

TEST_CASE("fd_watch: a handler removes itself and others in the same turn") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        const socket_pair a;
        const socket_pair b;
        int of_a = 0;
        int of_b = 0;
        watch.add(a.fd(), to_read, [&](fd_readiness) {
            ++of_a;
            CHECK(watch.remove(a.fd()));
            CHECK(watch.remove(b.fd()));
        });
        watch.add(b.fd(), to_read, [&](fd_readiness) {
            ++of_b;
            CHECK(watch.remove(b.fd()));
            CHECK(watch.remove(a.fd()));
        });
        a.theirs.send("a byte");
        b.theirs.send("a byte");
        co_await until([&] { return of_a + of_b > 0; });
        CHECK(watch.list().empty());
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);
        CHECK(of_a + of_b == 1);
    });
}

TEST_CASE("fd_watch: adding a number again replaces what was told and to whom, in its own handler, too") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair pair;
        std::string told;
        watch.add(pair.fd(), to_read, [](fd_readiness) { FAIL("replaced before it was told anything"); });
        const std::string captured = "kept while it runs";
        watch.add(pair.fd(), to_write, [&, captured](fd_readiness) {
            watch.add(pair.fd(), to_read, [&](fd_readiness) {
                told += " again";
                CHECK(watch.remove(pair.fd()));
            });
            told += captured;
        });
        pair.theirs.send("a byte");
        co_await until([&] { return watch.list().empty(); });
        CHECK(told == "kept while it runs again");
    });
}

TEST_CASE("fd_watch: what another handler adds again and changes in each turn is told all the same") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair a;
        const socket_pair b;
        for (const socket_pair* pair : {&a, &b}) pair->theirs.send("a byte");
        for (const bool changes : {false, true}) {
            CAPTURE(changes);
            int of_a = 0;
            int of_b = 0;
            const auto count = [&](fd_readiness) { ++of_b; };
            watch.add(a.fd(), to_read, [&](fd_readiness) {
                ++of_a;
                if (changes) {
                    watch.change(b.fd(), {});
                    watch.change(b.fd(), to_read);
                } else {
                    watch.add(b.fd(), to_read, count);
                }
            });
            watch.add(b.fd(), to_read, count);
            co_await until([&] { return of_a >= 10; });
            co_await until([&] { return of_b >= 5; });
            CHECK(of_a <= 3 * of_b);
            CHECK(watch.remove_all().size() == 2);
        }
    });
}

TEST_CASE("fd_watch: a socket that was closed behind its back tells nothing, whoever has its number then") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        socket_pair old;
        const int number = old.fd();
        int of_old = 0;
        watch.add(number, to_read, [&](fd_readiness) { ++of_old; });
        const bool before = co_await sleeps(r);
        CHECK(before);
        old.ours.close();
        // Most systems give out a number again at once.
        std::vector<socket_pair> reused;
        const auto has_number = [&](const socket_pair& pair) {
            return pair.fd() == number || pair.theirs.get() == number;
        };
        while (reused.size() < 20 && std::ranges::none_of(reused, has_number)) reused.emplace_back();
        for (const socket_pair& pair : reused) {
            pair.theirs.send("a byte");
            CHECK(::send(pair.fd(), "!", 1, MSG_NOSIGNAL) == 1);
        }
        const bool after = co_await sleeps(r);
        CHECK(after);
        CHECK(of_old == 0);
        CHECK(watch.list() == std::vector<bight::watched_fd>{{number, to_read}});
        for (const auto wanted : {to_read, to_write, bight::fd_interest()}) {
            CHECK(test::code_of([&] { watch.change(number, wanted); }) == std::errc::bad_file_descriptor);
        }
        int of_new = 0;
        if (std::ranges::any_of(reused, has_number)) {
            watch.add(number, to_read, [&](fd_readiness) { ++of_new; });
            co_await until([&] { return of_new > 0; });
        }
        CHECK(watch.remove(number));
        CHECK_FALSE(watch.remove(number));
        const bool removed = co_await sleeps(r);
        CHECK(removed);
        CHECK(of_old == 0);
    });
}

TEST_CASE("fd_watch: a handler closes another that is ready, and whoever gets its number, in the same turn") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        socket_pair a;
        socket_pair b;
        std::vector<socket_pair> others;
        int told = 0;
        // Whichever is told first closes the other, whose number is given out again.
        const auto close = [&](socket_pair& other) {
            ++told;
            other.ours.close();
            for (int i = 0; i < 10; ++i) others.emplace_back();
            for (const socket_pair& pair : others) {
                pair.theirs.send("a byte");
                CHECK(::send(pair.fd(), "!", 1, MSG_NOSIGNAL) == 1);
            }
        };
        const int first = a.fd();
        const int second = b.fd();
        watch.add(first, to_read, [&](fd_readiness) {
            close(b);
            CHECK(watch.remove(first));
        });
        watch.add(second, to_read, [&](fd_readiness) {
            close(a);
            CHECK(watch.remove(second));
        });
        a.theirs.send("a byte");
        b.theirs.send("a byte");
        co_await until([&] { return told > 0; });
        const bool quiet = co_await sleeps(r);
        CHECK(quiet);
        CHECK(told == 1);
        CHECK(watch.list().size() == 1);
    });
}

TEST_CASE("fd_watch: what cannot be watched is refused, and others are not touched") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair pair;
        int told = 0;
        const auto count = [&](fd_readiness) { ++told; };
        watch.add(pair.fd(), to_read, count);
        for (const int none : {-1, 1'000'000}) {
            CHECK(test::code_of([&] { watch.add(none, to_read, count); }) == std::errc::bad_file_descriptor);
        }
        CHECK(test::code_of([&] { watch.change(0, to_read); }) == std::errc::no_such_file_or_directory);
        CHECK_THROWS_AS(watch.add(pair.fd(), to_read, nullptr), std::invalid_argument);
        CHECK_FALSE(watch.remove(0));
        CHECK(watch.list() == std::vector<bight::watched_fd>{{pair.fd(), to_read}});
        pair.theirs.send("a byte");
        co_await until([&] { return told > 0; });
        CHECK(watch.remove_all() == std::vector<bight::watched_fd>{{pair.fd(), to_read}});
        CHECK(watch.list().empty());
    });
}

TEST_CASE("fd_ready: waits until a descriptor is ready, once") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const socket_pair pair;
        auto now = co_await bight::fd_ready(pair.fd(), to_write);
        CHECK(now == fd_readiness{.writable = true});
        co_await bight::with_group([&](bight::group& g) -> task<> {
            test::cancellable one;
            auto wait = [&]() -> task<> { (void)co_await bight::fd_ready(pair.fd(), to_read); };
            g.spawn(one.run(wait()));
            co_await test::turns(3);
            CHECK(one.running());
            one.cancel();
            co_await until([&] { return !one.running(); });
            CHECK_FALSE(one.ended());
            auto send = [&]() -> task<> {
                pair.theirs.send("a byte");
                co_return;
            };
            g.spawn(send);
            const auto readable = co_await bight::fd_ready(pair.fd(), to_read);
            CHECK(readable == fd_readiness{.readable = true});
        });
        auto closed = co_await bight::as_result(bight::fd_ready(-1, to_read));
        CHECK(closed.error() == std::errc::bad_file_descriptor);
    });
}
