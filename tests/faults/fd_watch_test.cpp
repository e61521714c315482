// An fd_watch without memory.
#include "net/watched.hpp"
#include "net/watched_file.hpp"
#include "support/allocation_faults.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <exception>
#include <new>

using bight::fd_readiness;
using bight::task;
using test::allocation_fault;
using test::failing;
using test::reactor_fixture;

TEST_CASE("fd_watch: without memory nothing is watched in part") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto attempt = [](reactor_fixture&, allocation_fault& fault) -> task<> {
        const test::socket_pair pair;
        const test::socket_pair other;
        const auto file = test::plain_file();
        // One number has a registration that cannot be removed, so that the next has an epoll instance.
        const int reused = ::dup(other.fd());
        bight::fd_watch watch;
        watch.add(reused, test::to_read, [](fd_readiness) {});
        const test::raw_socket again(::dup2(pair.fd(), reused));
        const std::array<int, 3> all{pair.fd(), file.get(), reused};
        std::exception_ptr error;
        int told = 0;
        std::size_t added = 0;
        const auto add = [&](int fd) {
            watch.add(fd, test::to_read, [&, fd](fd_readiness) {
                ++told;
                watch.remove(fd);
            });
            ++added;
        };
        try {
            const failing here(fault);
            for (const int fd : all) add(fd);
        } catch (const std::bad_alloc&) {
            error = std::current_exception();
        }
        CHECK(watch.list().size() == added + (added < 3 ? 1 : 0));
        // What has failed works afterwards.
        while (added < all.size()) add(all[added]);
        pair.theirs.send("a byte");
        try {
            const failing here(fault);
            co_await watch.run_until_empty();
        } catch (const std::bad_alloc&) {
            error = std::current_exception();
        }
        co_await watch.run_until_empty();
        CHECK(told == 3);
        CHECK(watch.list().empty());
        if (error) std::rethrow_exception(error);
    };
    const auto tally = test::fail_each_allocation_on(kind, attempt);
    CHECK(tally.allocations > 3);
    CHECK(tally.endured == 0);
}
