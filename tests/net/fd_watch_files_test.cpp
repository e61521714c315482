// What an fd_watch tells of files and pipes, and of numbers that have another file by now.
#include "support/cancellable.hpp"
#include "support/many_descriptors.hpp"
#include "watched.hpp"
#include "watched_file.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
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

TEST_CASE("fd_watch: of a pipe its end alone is told, at both ends") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        fd_readiness last;
        // One without bytes, and one that is full.
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        const test::raw_socket reading(ends[0]);
        ::close(ends[1]);
        watch.add(reading.get(), to_read, [&](fd_readiness now) { last = now; });
        co_await until([&] { return last.readable; });
        CHECK(last == fd_readiness{.readable = true, .hung_up = true});
        CHECK(watch.remove(reading.get()));

        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        const test::raw_socket writing(ends[1]);
        const std::string block(65536, 'x');
        while (::write(writing.get(), block.data(), block.size()) > 0) {
        }
        ::close(ends[0]);
        watch.add(writing.get(), to_write, [&](fd_readiness now) { last = now; });
        co_await until([&] { return last.failed; });
        CHECK(last == fd_readiness{.writable = true, .failed = true});
        CHECK(watch.remove(writing.get()));
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);
    });
}

TEST_CASE("fd_watch: a regular file is always ready, and holds up nobody") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        const auto file = test::plain_file();
        const test::raw_socket null(::open("/dev/null", O_RDWR | O_CLOEXEC));
        const socket_pair pair;
        int of_file = 0;
        int of_null = 0;
        int of_pair = 0;
        fd_readiness last;
        // The first becomes ready while the watch sleeps already.
        const bool before = co_await sleeps(r);
        CHECK(before);
        watch.add(file.get(), {.readable = true, .writable = true, .priority = true}, [&](fd_readiness now) {
            last = now;
            ++of_file;
        });
        co_await until([&] { return of_file > 0; });
        CHECK(last == fd_readiness{.readable = true, .writable = true});
        watch.add(null.get(), to_write, [&](fd_readiness now) {
            CHECK(now == fd_readiness{.writable = true});
            ++of_null;
        });
        watch.add(pair.fd(), to_read, [&](fd_readiness) {
            ++of_pair;
            pair.drain();
        });
        for (int i = 1; i <= 3; ++i) {
            const auto turns = r.statistics().turns;
            const int sum = of_file + of_null;
            pair.theirs.send("a byte");
            co_await until([&] { return of_pair == i; });
            // Others have had their turns, and each file one in a turn at most.
            CHECK(of_file + of_null - sum <= static_cast<int>(2 * (r.statistics().turns - turns)));
            co_await bight::sleep_for(std::chrono::milliseconds(1));
        }
        watch.change(file.get(), for_priority);
        CHECK(watch.remove(null.get()));
        const int at_last = of_file;
        const bool after = co_await sleeps(r);
        CHECK(after);
        CHECK(of_file == at_last);
        watch.change(file.get(), to_write);
        co_await until([&] { return of_file > at_last; });
        CHECK(last == fd_readiness{.writable = true});
    });
}

TEST_CASE(
    "fd_watch: many files and sockets that are always ready share the turns with each other and with tasks") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        std::vector<socket_pair> pairs(150);
        std::vector<test::raw_socket> files(150);
        std::vector<int> of_sockets(pairs.size());
        std::vector<int> of_files(files.size());
        int in_turn = 0;
        std::uint64_t turn = 0;
        const auto count = [&] {
            if (std::exchange(turn, r.statistics().turns) != turn) in_turn = 0;
            CHECK(++in_turn <= 128);
        };
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            files[i] = test::plain_file();
            watch.add(pairs[i].fd(), to_write, [&, i](fd_readiness) {
                count();
                ++of_sockets[i];
            });
            watch.add(files[i].get(), to_write, [&, i](fd_readiness) {
                count();
                ++of_files[i];
            });
        }
        // The task that yields has a turn for each of theirs, and a timer fires.
        co_await test::turns(60);
        co_await bight::sleep_for(std::chrono::milliseconds(1));
        for (const auto* served : {&of_sockets, &of_files}) {
            const auto [least, most] = std::minmax_element(served->begin(), served->end());
            CHECK(*least >= 10);
            CHECK(*most <= *least + 2);
        }
        CHECK(watch.remove_all().size() == 300);
    });
}

TEST_CASE("fd_watch: a handler closes another, and watches a file under its number, in the same turn") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        for (const bool removes : {true, false}) {
            CAPTURE(removes);
            const socket_pair a;
            const socket_pair b;
            const socket_pair c;
            std::string order;
            // Whichever is told first replaces the other by c, which has nothing to read at first.
            const auto replace = [&](int self, int other) {
                order += "first";
                if (removes) CHECK(watch.remove(other));
                REQUIRE(::dup2(c.fd(), other) == other);
                watch.add(other, to_read, [&, other](fd_readiness) {
                    order += " new";
                    CHECK(watch.remove(other));
                });
                CHECK(watch.remove(self));
            };
            watch.add(a.fd(), to_read, [&](fd_readiness) { replace(a.fd(), b.fd()); });
            watch.add(b.fd(), to_read, [&](fd_readiness) { replace(b.fd(), a.fd()); });
            a.theirs.send("a byte");
            b.theirs.send("a byte");
            co_await until([&] { return !order.empty(); });
            const bool quiet = co_await sleeps(r);
            CHECK(quiet);
            CHECK(order == "first");
            c.theirs.send("a byte");
            co_await until([&] { return watch.list().empty(); });
            CHECK(order == "first new");
        }
    });
}

TEST_CASE("fd_watch: adding the number of a file again replaces what was told and to whom") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        std::string told;
        const socket_pair pair;
        const auto file = test::plain_file();
        REQUIRE(::dup2(file.get(), pair.fd()) == pair.fd());
        for (int i = 0; i < 2; ++i) {
            watch.add(pair.fd(), to_read, [&, i](fd_readiness) {
                told = std::to_string(i);
                CHECK(watch.remove(pair.fd()));
            });
        }
        co_await until([&] { return watch.list().empty(); });
        CHECK(told == "1");
    });
}

TEST_CASE("fd_watch: what others add again and change in each turn is told all the same") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair a;
        const socket_pair b;
        const socket_pair closed;
        const socket_pair reused;
        std::vector<test::raw_socket> files(70);
        for (auto& file : files) file = test::plain_file();
        // The number of `closed` has an epoll instance of its own.
        watch.add(closed.fd(), to_read, [](fd_readiness) {});
        REQUIRE(::dup2(reused.fd(), closed.fd()) == closed.fd());
        watch.add(closed.fd(), to_read, [](fd_readiness) {});
        for (const socket_pair* pair : {&a, &b, &reused}) pair->theirs.send("a byte");
        const std::pair<int, int> each[] = {
            {a.fd(), b.fd()}, {a.fd(), closed.fd()}, {files[0].get(), files[1].get()}};
        for (const auto& [first, second] : each) {
            CAPTURE(first, second);
            int of_first = 0;
            int of_second = 0;
            const auto count = [&](fd_readiness) { ++of_second; };
            watch.add(first, to_read, [&, second](fd_readiness) {
                ++of_first;
                watch.add(second, to_read, count);
            });
            watch.add(second, to_read, count);
            co_await until([&] { return of_first == 10; });
            CHECK(of_second == of_first);
            CHECK(watch.remove_all().size() >= 2);
        }

        // More than a turn has room for, of which the last are changed before their turn comes.
        std::vector<int> told(files.size());
        for (std::size_t i = 0; i < files.size(); ++i) {
            watch.add(files[i].get(), to_read, [&, i](fd_readiness) { ++told[i]; });
        }
        for (int turn = 0; turn < 20; ++turn) {
            for (std::size_t i = 64; i < files.size(); ++i) {
                watch.change(files[i].get(), {});
                watch.change(files[i].get(), to_read);
            }
            co_await bight::yield();
        }
        CHECK(*std::ranges::min_element(told) >= 10);
    });
}

TEST_CASE("fd_watch: what was closed and reused behind its back tells nothing to its old owner") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        for (const bool duplicate : {false, true}) {
            CAPTURE(duplicate);
            socket_pair old;
            const socket_pair other;
            const int number = old.fd();
            const test::raw_socket kept(duplicate ? ::fcntl(number, F_DUPFD_CLOEXEC, 0) : ::dup(other.fd()));
            int of_old = 0;
            int of_new = 0;
            watch.add(number, to_read, [&](fd_readiness) { ++of_old; });
            REQUIRE(::dup2(other.fd(), number) == number);
            other.theirs.send("a byte");
            if (duplicate) old.theirs.send("a byte");
            const bool asleep = co_await sleeps(r);
            CHECK(asleep);
            CHECK(watch.list() == std::vector<bight::watched_fd>{{number, to_read}});

            watch.add(number, to_read, [&](fd_readiness) {
                ++of_new;
                other.drain();
            });
            co_await until([&] { return of_new == 1; });
            if (duplicate) old.theirs.send("a byte");
            const bool quiet = co_await sleeps(r);
            CHECK(quiet);
            CHECK(of_new == 1);
            CHECK(of_old == 0);
            CHECK(watch.remove(number));
            CHECK_FALSE(watch.remove(number));
        }
        // A file is known by what it is.
        const auto file = test::plain_file();
        const auto another = test::plain_file();
        int told = 0;
        watch.add(file.get(), to_read, [&](fd_readiness) { ++told; });
        REQUIRE(::dup2(another.get(), file.get()) == file.get());
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);
        CHECK(told == 0);
    });
}

TEST_CASE("fd_watch: a number that gets back a file that it had before tells nothing of another's") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        for (const bool removes : {true, false}) {
            CAPTURE(removes);
            const socket_pair first;
            const socket_pair second;
            const test::raw_socket number(::dup(first.fd()));
            const test::raw_socket second_again(::dup(second.fd()));
            int told = 0;
            const auto count = [&](fd_readiness) { ++told; };
            watch.add(number.get(), to_read, count);
            REQUIRE(::dup2(second.fd(), number.get()) == number.get());
            if (removes) CHECK(watch.remove(number.get()));
            watch.add(number.get(), to_read, count);
            REQUIRE(::dup2(first.fd(), number.get()) == number.get());
            first.theirs.send("a byte");
            second.theirs.send("a byte");
            const bool asleep = co_await sleeps(r);
            CHECK(asleep);
            CHECK(told == 0);
            CHECK(watch.remove(number.get()));
        }
    });
}

TEST_CASE("fd_watch: what is closed and never reused is listed until it is removed, and keeps nobody awake") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        socket_pair pair;
        auto file = test::plain_file();
        const int number = pair.fd();
        const int of_file = file.get();
        const test::raw_socket duplicate(::fcntl(number, F_DUPFD_CLOEXEC, 100));
        int told = 0;
        const auto count = [&](fd_readiness) { ++told; };
        watch.add(number, to_read, count);
        watch.add(of_file, to_read, count);
        pair.ours.close();
        file.close();
        pair.theirs.send("a byte");
        const bool asleep = co_await sleeps(r);
        CHECK(asleep);
        CHECK(told == 0);
        CHECK(watch.list().size() == 2);
        for (const auto wanted : {to_read, to_write, bight::fd_interest()}) {
            for (const int fd : {number, of_file}) {
                CHECK(test::code_of([&] { watch.change(fd, wanted); }) == std::errc::bad_file_descriptor);
            }
        }
        CHECK(watch.remove_all().size() == 2);
    });
}

TEST_CASE("fd_watch: many come and go, most of them closed behind its back") {
    constexpr std::size_t most = 3000;
    const auto room = test::need_descriptors(3 * most + 100);
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        std::vector<int> ends(2 * most);
        std::size_t told = 0;
        for (int round = 1; round <= 3; ++round) {
            for (std::size_t i = 0; i < ends.size(); i += 2) {
                REQUIRE(::pipe2(&ends[i], O_CLOEXEC | O_NONBLOCK) == 0);
                watch.add(ends[i], to_read, [&, fd = ends[i]](fd_readiness) {
                    ++told;
                    CHECK(watch.remove(fd));
                });
                if (round == 3) REQUIRE(::write(ends[i + 1], "!", 1) == 1);
            }
            if (round == 3) break;
            for (const int fd : ends) ::close(fd);
        }
        co_await until([&] { return told == most; });
        (void)watch.remove_all();
        for (const int fd : ends) ::close(fd);
    });
}

TEST_CASE("fd_watch: what the handler of a file throws ends the run, and the next one goes on") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    fd_watch watch;
    const auto file = test::plain_file();
    bool fails = true;
    watch.add(file.get(), to_read, [&](fd_readiness) {
        if (std::exchange(fails, false)) throw std::runtime_error("of a handler");
        CHECK(watch.remove(file.get()));
    });
    CHECK_THROWS_WITH(on.run([&]() -> task<> { co_await watch.run(); }), "of a handler");
    on.run([&]() -> task<> { co_await watch.run_until_empty(); });
}

TEST_CASE("fd_watch: is destroyed by the handler of a file") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const auto file = test::plain_file();
        std::optional<fd_watch> watch(std::in_place);
        const std::string captured = "alive as long as the handler runs";
        std::string told;
        watch->add(file.get(), to_read, [&, captured](fd_readiness) {
            watch.reset();
            told += captured;
        });
        co_await watch->run();
        CHECK(told == captured);
    });
}

TEST_CASE("fd_watch: one that is always ready keeps no run of its reactor from ending") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    fd_watch watch;
    const auto file = test::plain_file();
    int told = 0;
    watch.add(file.get(), to_read, [&](fd_readiness) { ++told; });
    on.reactor().start(watch.run());
    on.run([&]() -> task<> { co_await until([&] { return told >= 3; }); });
}

TEST_CASE("fd_ready: a file is ready at once") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const auto file = test::plain_file();
        const auto now = co_await bight::fd_ready(file.get(), to_read);
        CHECK(now == fd_readiness{.readable = true});
    });
}
