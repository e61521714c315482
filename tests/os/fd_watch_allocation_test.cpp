// Descriptors of others when memory runs out: what fails is told, nothing has changed, and what is watched
// goes on.
#include "support/allocation_faults.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/core/sleep.hpp>
#include <bight/core/when_all.hpp>
#include <bight/os/fd_watch.hpp>

#include <sys/socket.h>

#include <exception>

using bight::fd_event;
using bight::fd_watch;
using bight::task;
using test::allocation_fault;
using test::failing;

TEST_CASE("fd_watch: whatever allocation fails, nothing is half done") {
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const test::raw_socket ours(ends[0]);
        const test::raw_socket theirs(ends[1]);
        const auto tally = test::fail_each_allocation_on(
            kind, [&](test::reactor_fixture&, allocation_fault& fault) -> task<> {
                fd_watch watch;
                int calls = 0;
                {
                    const failing here(fault);
                    try {
                        watch.add(ours.get(), fd_event::readable, [&](fd_event) {
                            ++calls;
                            watch.remove(ours.get());
                        });
                    } catch (...) {
                        CHECK_FALSE(watch.contains(ours.get()));
                        throw;
                    }
                    watch.set_interest(ours.get(), fd_event::readable | fd_event::priority);
                }
                theirs.send("x");
                while (calls == 0) co_await bight::yield();
                char byte = 0;
                CHECK(::recv(ours.get(), &byte, 1, MSG_DONTWAIT) == 1);
                co_return;
            });
        CHECK(tally.allocations > 1);
        CHECK(tally.endured == 0);
    }
}

TEST_CASE("fd_watch: a wait without memory ends with ENOMEM") {
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const test::raw_socket ours(ends[0]);
        const test::raw_socket theirs(ends[1]);
        test::fail_each_allocation_on(kind, [&](test::reactor_fixture&, allocation_fault& fault) -> task<> {
            fd_watch watch;
            theirs.send("x");
            const fd_event at_once = co_await watch.until_ready(ours.get(), fd_event::readable);
            CHECK(at_once == fd_event::readable);
            char byte = 0;
            CHECK(::recv(ours.get(), &byte, 1, MSG_DONTWAIT) == 1);
            std::exception_ptr error;
            auto wait = [&]() -> task<> {
                const failing here(fault);
                try {
                    (void)co_await watch.until_ready(ours.get(), fd_event::readable);
                } catch (...) {
                    error = std::current_exception();
                }
            };
            auto send = [&]() -> task<> {
                co_await bight::yield();
                theirs.send("y");
            };
            co_await bight::when_all(wait(), send());
            while (::recv(ours.get(), &byte, 1, MSG_DONTWAIT) != 1) co_await bight::yield();
            if (error) std::rethrow_exception(error);
        });
    }
}
