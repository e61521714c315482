// Descriptors that others share: they find them as they left them.
#include "blocking_mode.hpp"
#include "listening_socket.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>

using bight::task;
using test::blocks_as;
using test::listening_socket;
using namespace std::chrono_literals;

TEST_CASE("a socket that listened and blocked before a listener adopted it blocks again afterwards") {
    if (!test::modes_are_told) test::skip(test::no_modes);
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    const bool blocking = GENERATE(true, false);
    const bool closed = GENERATE(true, false);
    on.run([=]() -> task<> {
        const test::raw_socket shared = listening_socket(blocking);
        {
            bight::listener l = bight::listen("fd:" + std::to_string(shared.get()));
            CHECK(blocks_as(shared.get(), false));
            bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
            bight::stream server = co_await l.accept();
            if (closed) l.close();
        }
        CHECK(blocks_as(shared.get(), blocking));
    });
}

TEST_CASE("a socket that is adopted for reactors which never listen blocks again, too") {
    if (!test::modes_are_told) test::skip(test::no_modes);
    const test::raw_socket shared = listening_socket(true);
    bight::runtime_options two;
    two.reactors = 2;
    bight::runtime all(two);
    {
        const bight::sharded_listener held(all, "fd:" + std::to_string(shared.get()));
    }
    CHECK(blocks_as(shared.get(), true));
}

TEST_CASE("a stream leaves the mode of an adopted socket alone") {
    if (!test::modes_are_told) test::skip(test::no_modes);
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    const bool blocking = GENERATE(true, false);
    on.run([=]() -> task<> {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0, ends) == 0);
        const test::raw_socket shared(ends[0]);
        const test::raw_socket peer(ends[1]);
        {
            auto s = co_await bight::connect("fd:" + std::to_string(shared.get()));
            CHECK(blocks_as(shared.get(), blocking));
            co_await s.write("x");
            CHECK(blocks_as(shared.get(), blocking));
        }
        CHECK(blocks_as(shared.get(), blocking));
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
            CHECK(blocks_as(shared.get(), true));
            const auto nobody = co_await bight::try_with_timeout(second.accept(), 5ms);
            CHECK_FALSE(nobody);
            const bight::stream client = co_await bight::connect(test::endpoint_to(second.local()));
            const bight::stream server = co_await second.accept();
            CHECK(server);
            const auto nobody_else = co_await bight::try_with_timeout(second.accept(), 5ms);
            CHECK_FALSE(nobody_else);
        }
        CHECK(blocks_as(shared.get(), true));
    });
}

TEST_CASE("a listener that waits gets its connection, although another one adopts its socket meanwhile") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    on.run([]() -> task<> {
        const test::raw_socket shared = listening_socket(true);
        const std::string where = "fd:" + std::to_string(shared.get());
        bight::listener first = bight::listen(where);
        bight::listener second;
        bight::stream client;
        auto accept = [&]() -> task<> {
            const bight::stream server = co_await first.accept();
            CHECK(server);
        };
        auto connect = [&]() -> task<> {
            co_await bight::yield();
            second = bight::listen(where);
            client = co_await bight::connect(test::endpoint_to(second.local()));
        };
        co_await bight::when_all(accept(), connect());
    });
}

TEST_CASE("a listener that outlives its reactor puts in order what it leaves") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
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
    CHECK(blocks_as(shared.get(), true));
    // When the listener goes, the file at this path may be another's.
    CHECK(::access(directory.file("socket").c_str(), F_OK) != 0);
}
