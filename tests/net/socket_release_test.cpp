// Sockets that are taken out of their handles.
#include "passed_descriptors.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

using bight::owned_descriptor;
using bight::task;
using test::beside_raw;
using test::code_thrown_by;
using test::family;
using test::fill_unix;
using test::marked;
using namespace std::chrono_literals;

TEST_CASE("passing: connections that one has accepted are served by another") {
    test::need_unix_sockets();
    test::reactor_fixture on(GENERATE(from_range(test::reactors_and_personalities())));
    on.run([]() -> task<> {
        const test::temporary_directory directory;
        auto to_worker = co_await test::connected_pair(family::unix_path);
        for (const auto f : {family::tcp, family::unix_path}) {
            bight::listener front = bight::listen(test::new_endpoint(f, directory));
            bight::stream client = co_await bight::connect(test::endpoint_to(front.local()));
            bight::stream accepted = co_await front.accept();
            co_await client.write("who? me");
            char who[5];
            co_await accepted.read_exactly(bight::mutable_buffer(who, 5));
            {
                const owned_descriptor socket = bight::release_descriptor(std::move(accepted));
                CHECK_FALSE(accepted);
                co_await bight::send_descriptor(to_worker.client, socket.get(), "take");
            }
            char word[4];
            const auto got =
                co_await bight::receive_descriptors(to_worker.server, bight::mutable_buffer(word, 4));
            REQUIRE(got.descriptors.size() == 1);
            bight::stream taken = co_await bight::connect(got.descriptors[0].as_endpoint());
            const bight::chunk rest = co_await taken.read_some();
            CHECK(rest.view() == "me");
            co_await taken.write("you");
            const bight::chunk answer = co_await client.read_some();
            CHECK(answer.view() == "you");
            CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(taken)); }) ==
                  bight::errc::busy);  // it may have read more than it gave
            CHECK(taken);

            // The listener, too. (The file of a Unix socket goes with its first one.)
            if (f != family::tcp) continue;
            co_await bight::send_descriptor(to_worker.client, front.native_handle(), "take");
            front.close();
            const auto passed =
                co_await bight::receive_descriptors(to_worker.server, bight::mutable_buffer(word, 4));
            bight::listener second = bight::listen(passed.descriptors.at(0).as_endpoint());
            const bight::stream another = co_await bight::connect(test::endpoint_to(second.local()));
            const bight::stream served = co_await second.accept();
            CHECK(served);
        }
    });
}

TEST_CASE("passing: a socket is not taken out of a stream that is in use") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_path);
        char byte = 0;
        auto read = [&]() -> task<> { co_await pair.server.read_some(bight::mutable_buffer(&byte, 1)); };
        auto refuse = [&]() -> task<> {
            co_await bight::yield();
            CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(pair.server)); }) ==
                  bight::errc::busy);
            co_await pair.client.write("x");
        };
        co_await bight::when_all(read(), refuse());
        CHECK(byte == 'x');
        bight::accept_descriptors(pair.client);
        co_await bight::send_descriptor(pair.server, marked(1).get(), "x");
        co_await pair.client.read_exactly(bight::mutable_buffer(&byte, 1));
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(pair.client)); }) ==
              bight::errc::busy);
        pair.server.unread(bight::chunk::copy_of("given back"));
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(pair.server)); }) ==
              bight::errc::busy);
        bight::stream none;
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(none)); }) ==
              std::errc::bad_file_descriptor);
        auto memory = co_await test::connected_pair(family::memory);
        CHECK(code_thrown_by([&] { (void)bight::release_descriptor(std::move(memory.server)); }) ==
              std::errc::operation_not_supported);
        co_await memory.client.write("x");
        const bight::chunk unharmed = co_await memory.server.read_some();
        CHECK(unharmed.view() == "x");
    });
}

TEST_CASE("passing: a socket is not taken out of a stream whose write was cut short, or that read ahead") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const auto release = [](bight::stream& s) {
            return code_thrown_by([&] { (void)bight::release_descriptor(std::move(s)); });
        };
        char byte = 0;
        const bight::mutable_buffer memory(&byte, 1);
        const std::string much(1 << 20, 'x');
        for (const bool message : {false, true}) {
            auto pair = co_await test::connected_pair(family::unix_path);
            auto write = [&]() -> task<> {
                if (message) co_await bight::send_descriptor(pair.client, marked(1).get(), much);
                if (!message) co_await pair.client.write(much);
            };
            const auto in_part = co_await bight::try_with_timeout(write(), 1ms);
            CHECK_FALSE(in_part);
            CHECK(release(pair.client) == bight::errc::aborted);
            const auto error = co_await test::error_of(pair.client.close());
            CHECK(error == bight::errc::aborted);
        }
        for (const bool message : {false, true}) {
            auto [server, raw] = co_await beside_raw();
            const std::size_t full = fill_unix(server.native_handle());
            auto write = [&]() -> task<> {
                if (message) co_await bight::send_descriptor(server, marked(1).get(), "lost");
                if (!message) co_await server.write("lost");
            };
            const auto in_vain = co_await bight::try_with_timeout(write(), 1ms);
            CHECK_FALSE(in_vain);
            {
                const owned_descriptor whole = bight::release_descriptor(std::move(server));
            }
            CHECK(raw.receive_all() == std::string(full, 'x'));
        }
        for (const bool accepts : {false, true}) {
            auto [server, raw] = co_await beside_raw();
            if (accepts) bight::accept_descriptors(server);
            raw.send("a");
            const bight::chunk first = co_await server.read_some();
            raw.send("b");
            co_await server.read_some(memory);
            CHECK(first.view() == "a");
            CHECK(byte == 'b');
            CHECK(release(server) == (accepts ? std::error_code() : make_error_code(bight::errc::busy)));
        }
    });
}

TEST_CASE("passing: in a forked child a socket is not taken out of its parent's stream") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        auto [server, raw] = co_await beside_raw();
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            bool told = false;
            try {
                (void)bight::release_descriptor(std::move(server)).release();
            } catch (const std::system_error& e) {
                told = e.code() == bight::errc::wrong_thread &&
                       std::string(e.what()).find("parent") != std::string::npos;
            }
            ::_exit(told ? 0 : 1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        raw.send("x");
        char byte = 0;
        co_await server.read_some(bight::mutable_buffer(&byte, 1));
        CHECK(byte == 'x');
    });
}
