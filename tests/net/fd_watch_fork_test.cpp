// An fd_watch in a forked child.
#include "reap.hpp"
#include "support/error_of.hpp"
#include "watched.hpp"
#include "watched_file.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

using bight::fd_readiness;
using bight::fd_watch;
using bight::task;
using test::beside_a_watch;
using test::code_of;
using test::socket_pair;
using test::to_read;
using test::to_write;
using test::until;

namespace {}  // namespace

TEST_CASE("fd_watch: a forked child takes nothing from its parent, and makes a watch of its own") {
    beside_a_watch([](fd_watch& watch, bight::reactor&) -> task<> {
        const socket_pair pair;
        const socket_pair other;
        int told = 0;
        watch.add(pair.fd(), to_read, [&](fd_readiness) {
            ++told;
            pair.drain();
        });
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(20);
            const auto nothing = [](fd_readiness) {};
            if (code_of([&] { watch.add(other.fd(), to_read, nothing); }) != bight::errc::unavailable)
                ::_exit(1);
            if (code_of([&] { watch.change(pair.fd(), to_write); }) != bight::errc::unavailable) ::_exit(2);
            if (!watch.remove(pair.fd()) || !watch.remove_all().empty()) ::_exit(3);
            const auto code = co_await test::error_of(watch.run());
            if (code != bight::errc::unavailable) ::_exit(4);
            fd_watch own;
            if (code_of([&] { own.add(pair.fd(), to_write, nothing); })) ::_exit(5);
            ::_exit(0);
        }
        test::reap(child);
        pair.theirs.send("a byte");
        co_await until([&] { return told == 1; });
    });
}

TEST_CASE("fd_watch: a handler forks, and the child goes on without its parent's descriptors") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    fd_watch watch;
    const socket_pair first;
    const socket_pair last;
    const socket_pair reused;
    const std::vector<test::raw_socket> files = [] {
        std::vector<test::raw_socket> made(2);
        for (auto& file : made) file = test::plain_file();
        return made;
    }();
    const bool of_files = GENERATE(false, true);
    CAPTURE(of_files);
    int told = 0;
    int of_last = 0;
    pid_t child = -1;
    // The child has the rest of that turn when the parent has had it, which goes on when the child has gone.
    const socket_pair turn;
    const auto let_child_go = [&] {
        turn.theirs.send("a byte");
        test::reap(child);
    };
    const auto count = [&](fd_readiness) {
        if (++told == 1) {
            child = ::fork();
            pollfd wait{turn.fd(), POLLIN, 0};
            if (child == 0) ::poll(&wait, 1, 10000);
            if (child > 0 && of_files) let_child_go();
        }
        if (told == 60) watch.remove_all();
    };
    if (of_files) {
        for (const auto& file : files) watch.add(file.get(), to_read, count);
    } else {
        // The last has an epoll instance of its own.
        watch.add(last.fd(), to_read, count);
        REQUIRE(::dup2(reused.fd(), last.fd()) == last.fd());
        watch.add(first.fd(), to_read, count);
        first.theirs.send("a byte");
        watch.add(last.fd(), to_read, [&](fd_readiness now) {
            count(now);
            if (++of_last == 1) let_child_go();
        });
        reused.theirs.send("a byte");
        watch.add(files[0].get(), to_read, count);
    }
    on.run([&]() -> task<> {
        const auto code = co_await test::error_of(watch.run_until_empty());
        if (child == 0) ::_exit(code && told == 1 ? 0 : 1);
        CHECK_FALSE(code);
    });
    CHECK(told == 60);
    if (!of_files) CHECK(of_last >= 10);
}
