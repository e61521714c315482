// An fd_watch on Linux: the limits of epoll, loops and events of Linux, and files that are born.
#include "support/cancellable.hpp"
#include "support/few_descriptors.hpp"
#include "support/skip.hpp"
#include "watched.hpp"
#include "watched_file.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
using test::beside_a_watch;
using test::sleeps;
using test::socket_pair;
using test::to_read;
using test::until;

namespace {

test::raw_socket epoll_of(int watched) {
    test::raw_socket made(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    REQUIRE(::epoll_ctl(made.get(), EPOLL_CTL_ADD, watched, &event) == 0);
    return made;
}

// What a run of it fails with at once; none on a demultiplexer that can wait for it.
std::string refusal_of_run(test::reactor_fixture& on, fd_watch& watch, std::errc expected) {
    std::string said;
    on.run([&]() -> task<> {
        try {
            (void)co_await bight::when_any(watch.run(), test::turns(3));
        } catch (const std::system_error& e) {
            CHECK(e.code() == expected);
            said = e.what();
        }
    });
    return said;
}

}  // namespace

TEST_CASE("fd_watch: names the limit of epoll that it meets, when it is added to and when it runs") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    const bool of_epoll = kind == bight::demultiplexer_kind::epoll;
    const socket_pair pair;
    const auto nothing = [](fd_readiness) {};
    {
        std::vector<test::raw_socket> chain;
        chain.push_back(epoll_of(pair.fd()));
        while (chain.size() < 4) chain.push_back(epoll_of(chain.back().get()));
        fd_watch watch;
        watch.add(chain.back().get(), to_read, nothing);
        const std::string said = refusal_of_run(on, watch, std::errc::too_many_symbolic_link_levels);
        CHECK(said.empty() == !of_epoll);
        if (of_epoll) CHECK_THAT(said, Catch::Contains("fd_watch") && Catch::Contains("no deeper than five"));
        chain.push_back(epoll_of(chain.back().get()));
        CHECK_THROWS_WITH(watch.add(chain.back().get(), to_read, nothing),
                          Catch::Contains("no deeper than five"));
    }
    // It is in 25 instances, each of them in 20 others: 500 ways that it wakes somebody by two of them.
    std::vector<test::raw_socket> inner;
    std::vector<test::raw_socket> outer;
    for (int i = 0; i < 25; ++i) inner.push_back(epoll_of(pair.fd()));
    for (int i = 0; i < 20; ++i) outer.push_back(epoll_of(inner[0].get()));
    for (std::size_t i = 1; i < inner.size(); ++i) {
        epoll_event event{};
        for (const auto& each : outer) {
            REQUIRE(::epoll_ctl(each.get(), EPOLL_CTL_ADD, inner[i].get(), &event) == 0);
        }
    }
    fd_watch watch;
    watch.add(pair.fd(), to_read, nothing);
    const std::string said = refusal_of_run(on, watch, std::errc::invalid_argument);
    CHECK(said.empty() == !of_epoll);
    if (of_epoll) CHECK_THAT(said, Catch::Contains("fd_watch") && Catch::Contains("500 watches"));
    watch.remove_all();
    std::string of_add;
    on.run([&]() -> task<> {
        auto add = [&]() -> task<> {
            try {
                watch.add(pair.fd(), to_read, nothing);
            } catch (const std::system_error& e) {
                of_add = e.what();
            }
            co_return;
        };
        (void)co_await bight::when_any(watch.run(), add());
    });
    CHECK(of_add.empty() == !of_epoll);
    if (of_epoll) CHECK_THAT(of_add, Catch::Contains("cannot be watched") && Catch::Contains("500 watches"));
    CHECK(watch.list().empty() == of_epoll);
}

TEST_CASE("fd_watch: numbers that were closed are watched again where no other descriptor is to be had") {
    test::beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        const socket_pair old;
        const socket_pair current;
        const test::raw_socket kept(::dup(old.fd()));
        const auto file = test::plain_file();
        const test::raw_socket number_of_file(::dup(old.fd()));
        int of_old = 0;
        int told = 0;
        int of_file = 0;
        for (const int fd : {old.fd(), number_of_file.get()}) {
            watch.add(fd, to_read, [&](fd_readiness) { ++of_old; });
        }
        REQUIRE(::dup2(current.fd(), old.fd()) == old.fd());
        REQUIRE(::dup2(file.get(), number_of_file.get()) == number_of_file.get());
        const test::few_descriptors none(0);
        // Twice: the second finds the first there.
        for (int i = 0; i < 2; ++i) {
            watch.add(old.fd(), to_read, [&](fd_readiness) {
                ++told;
                current.drain();
            });
        }
        watch.add(number_of_file.get(), to_read, [&](fd_readiness) {
            ++of_file;
            CHECK(watch.remove(number_of_file.get()));
        });
        CHECK(watch.list().size() == 2);
        for (int i = 1; i <= 3; ++i) {
            current.theirs.send("a byte");
            old.theirs.send("a byte");
            co_await until([&] { return told == i && of_file == 1; });
            const bool asleep = co_await test::sleeps(r);
            CHECK(asleep);
            CHECK(told == i);
        }
        CHECK(of_old == 0);

        // The number has its first file again, and the second, which is watched no more, becomes ready.
        REQUIRE(::dup2(kept.get(), old.fd()) == old.fd());
        old.drain();
        watch.add(old.fd(), to_read, [&](fd_readiness) {
            ++of_old;
            old.drain();
        });
        current.theirs.send("a byte");
        const bool asleep = co_await test::sleeps(r);
        CHECK(asleep);
        CHECK(of_old == 0);
        old.theirs.send("a byte");
        co_await until([&] { return of_old == 1; });
        CHECK(watch.remove(old.fd()));
    });
}

TEST_CASE("fd_watch: a new file that has the inode of one that is gone is another") {
    const auto identity_of = [](const test::raw_socket& file) {
        struct statx found{};
        REQUIRE(::statx(file.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &found) == 0);
        if ((found.stx_mask & STATX_BTIME) == 0) test::skip("the file system knows no times of birth");
        return std::tuple(found.stx_ino, found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    };
    auto old = test::plain_file();
    const auto known = identity_of(old);
    fd_watch watch;
    int told = 0;
    watch.add(old.get(), to_read, [&](fd_readiness) { ++told; });
    const int number = old.get();
    old.close();
    test::raw_socket file;
    for (int tries = 0;; ++tries) {
        if (tries == 20000) test::skip("the file system gives no inode out again");
        file = test::raw_socket();
        file = test::plain_file();
        const auto found = identity_of(file);
        if (std::get<0>(found) == std::get<0>(known) && found != known) break;
    }
    REQUIRE(file.get() == number);
    test::reactor_fixture on(test::demultiplexers().front());
    on.run([&]() -> task<> { (void)co_await bight::when_any(watch.run(), test::turns(3)); });
    CHECK(told == 0);
}

TEST_CASE("fd_watch: the loop of another library, by its descriptor") {
    beside_a_watch([](fd_watch& watch, bight::reactor& r) -> task<> {
        const test::raw_socket loop(::epoll_create1(EPOLL_CLOEXEC));
        std::vector<socket_pair> pairs(3);
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = i;
            REQUIRE(::epoll_ctl(loop.get(), EPOLL_CTL_ADD, pairs[i].fd(), &event) == 0);
        }
        std::vector<int> served(pairs.size());
        watch.add(loop.get(), to_read, [&](fd_readiness) {  // one turn of it, as uv_run(loop, UV_RUN_NOWAIT)
            epoll_event event{};
            REQUIRE(::epoll_wait(loop.get(), &event, 1, 0) == 1);
            pairs[event.data.u64].drain();
            ++served[event.data.u64];
        });
        for (int round = 1; round <= 3; ++round) {
            for (const socket_pair& pair : pairs) pair.theirs.send("a byte");
            co_await until([&] { return served == std::vector<int>(3, round); });
            const bool asleep = co_await sleeps(r);
            CHECK(asleep);
        }
    });
}

TEST_CASE("fd_watch: a host loop that waits for the reactor's descriptor is woken each time") {
    const auto kind = GENERATE(from_range(test::with_descriptor()));
    const bool watched_first = GENERATE(true, false);
    CAPTURE(kind, watched_first);
    test::reactor_fixture on(kind);
    bight::reactor& r = on.reactor();
    const test::raw_socket event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    fd_watch watch;
    eventfd_t told = 0;
    watch.add(event.get(), to_read, [&](fd_readiness) { CHECK(::eventfd_read(event.get(), &told) == 0); });
    const auto turns = [&] {
        while (r.run_once() || r.has_ready()) {
        }
    };
    r.start(watch.run());
    if (watched_first) turns();
    pollfd watched{r.descriptor(), POLLIN, 0};
    turns();
    for (eventfd_t i = 1; i <= 5; ++i) {
        REQUIRE(::eventfd_write(event.get(), i) == 0);
        while (told != i) {
            REQUIRE(::poll(&watched, 1, 5000) == 1);
            turns();
        }
    }
    while (::poll(&watched, 1, 0) == 1) turns();
    r.stop();
    turns();
    CHECK(::poll(&watched, 1, 0) == 0);
}
