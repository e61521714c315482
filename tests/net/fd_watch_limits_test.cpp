// What an fd_watch does at the limits of epoll, and of the descriptors that a process may have.
#include "support/cancellable.hpp"
#include "support/few_descriptors.hpp"
#include "watched.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
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
