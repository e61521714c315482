// Descriptors that others share: they find them as they left them.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

using bight::task;
using namespace std::chrono_literals;

namespace {

bool blocks(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

test::raw_socket listening_socket(bool blocking) {
    test::raw_socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0));
    const auto at = bight::address::from_ip("127.0.0.1", 0);
    REQUIRE(::bind(s.get(), static_cast<const sockaddr*>(at.native()),
                   static_cast<socklen_t>(at.native_size())) == 0);
    REQUIRE(::listen(s.get(), 8) == 0);
    return s;
}

}  // namespace

TEST_CASE("a socket that listened and blocked before a listener adopted it blocks again afterwards") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    const bool blocking = GENERATE(true, false);
    const bool closed = GENERATE(true, false);
    on.run([=]() -> task<> {
        const test::raw_socket shared = listening_socket(blocking);
        {
            bight::listener l = bight::listen("fd:" + std::to_string(shared.get()));
            CHECK_FALSE(blocks(shared.get()));
            bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
            bight::stream server = co_await l.accept();
            if (closed) l.close();
        }
        CHECK(blocks(shared.get()) == blocking);
    });
}

TEST_CASE("a socket that is adopted for reactors which never listen blocks again, too") {
    const test::raw_socket shared = listening_socket(true);
    bight::runtime_options two;
    two.reactors = 2;
    bight::runtime all(two);
    {
        const bight::sharded_listener held(all, "fd:" + std::to_string(shared.get()));
    }
    CHECK(blocks(shared.get()));
}

TEST_CASE("a stream leaves the mode of an adopted socket alone") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    const bool blocking = GENERATE(true, false);
    on.run([=]() -> task<> {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0, ends) == 0);
        const test::raw_socket shared(ends[0]);
        const test::raw_socket peer(ends[1]);
        {
            auto s = co_await bight::connect("fd:" + std::to_string(shared.get()));
            CHECK(blocks(shared.get()) == blocking);
            co_await s.write("x");
            CHECK(blocks(shared.get()) == blocking);
        }
        CHECK(blocks(shared.get()) == blocking);
    });
}

TEST_CASE("one of those who share a listening socket may go: the others accept on, and wait for nobody") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    on.run([]() -> task<> {
        const test::raw_socket shared = listening_socket(true);
        const std::string where = "fd:" + std::to_string(shared.get());
        bight::listener first = bight::listen(where);
        {
            bight::listener second = bight::listen(where);
            first.close();
            CHECK(blocks(shared.get()));
            const auto nobody = co_await bight::try_with_timeout(second.accept(), 5ms);
            CHECK_FALSE(nobody);
            const bight::stream client = co_await bight::connect(test::endpoint_to(second.local()));
            const bight::stream server = co_await second.accept();
            CHECK(server);
            const auto nobody_else = co_await bight::try_with_timeout(second.accept(), 5ms);
            CHECK_FALSE(nobody_else);
        }
        CHECK(blocks(shared.get()));
    });
}

TEST_CASE("a listener that outlives its reactor puts in order what it leaves") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const test::temporary_directory directory;
    const test::raw_socket shared = listening_socket(true);
    bight::listener adopted;
    bight::listener own;
    {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        auto listen = [&]() -> task<> {
            adopted = bight::listen("fd:" + std::to_string(shared.get()));
            own = bight::listen("unix:" + test::escaped(directory.file("socket")));
            co_return;
        };
        r.run(listen());
    }
    CHECK(blocks(shared.get()));
    CHECK(::access(directory.file("socket").c_str(), F_OK) == 0);
    own = bight::listener();
    CHECK(::access(directory.file("socket").c_str(), F_OK) != 0);
}

TEST_CASE("a forked child that drops what was bound for reactors leaves its parent's socket and file alone") {
    const test::temporary_directory directory;
    const std::string path = directory.file("socket");
    const test::raw_socket shared = listening_socket(true);
    bight::runtime_options two;
    two.reactors = 2;
    bight::runtime all(two);
    std::optional<bight::sharded_listener> adopted(std::in_place, all, "fd:" + std::to_string(shared.get()));
    std::optional<bight::sharded_listener> own(std::in_place, all, "unix:" + test::escaped(path));
    test::child one([&](const test::witness_pipe&) {
        adopted.reset();
        own.reset();
        return 0;
    });
    CHECK(one.exit_status() == 0);
    CHECK_FALSE(blocks(shared.get()));
    CHECK(::access(path.c_str(), F_OK) == 0);
    own.reset();
    CHECK(::access(path.c_str(), F_OK) != 0);
}
