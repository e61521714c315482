// Listeners that are taken out of their handles, with the connections that were accepted ahead.
#include "blocking_mode.hpp"
#include "listening_socket.hpp"
#include "passed_descriptors.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/net/sharded_listener.hpp>
#include <bight/sim/world.hpp>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::owned_descriptor;
using bight::task;
using test::beside_raw;
using test::code_thrown_by;
using test::family;
using namespace std::chrono_literals;

namespace {

/// Arms an accept, which io_uring goes on with when nobody waits any more.
task<> accept_in_vain(bight::listener& l) {
    const auto none = co_await bight::try_with_timeout(l.accept(), 1ms);
    CHECK_FALSE(none);
}

/// Each is answered with what it has sent; gives how many there were.
task<std::size_t> serve_all(bight::released_listener& from, std::size_t count) {
    std::size_t served = 0;
    auto answer = [&served](bight::stream s) -> task<> {
        const std::string asked = co_await test::read_all(s);
        co_await s.write(asked);
        co_await s.close();
        ++served;
    };
    for (const owned_descriptor& one : from.accepted) {
        bight::stream s = co_await bight::connect(one.as_endpoint());
        co_await answer(std::move(s));
    }
    from.accepted.clear();
    bight::listener l = bight::listen(from.socket.as_endpoint());
    while (served < count) {
        bight::stream s = co_await l.accept();
        co_await answer(std::move(s));
    }
    co_return served;
}

test::raw_socket asking(const bight::address& at, const std::string& what) {
    test::raw_socket client = test::raw_connect(at);
    client.send(what);
    ::shutdown(client.get(), SHUT_WR);
    return client;
}

std::vector<test::raw_socket> two_asking(const bight::address& at) {
    std::vector<test::raw_socket> clients;
    for (int i = 0; i < 2; ++i) clients.push_back(asking(at, "x"));
    return clients;
}

}  // namespace

TEST_CASE("release: a listener is taken out, and no connection is lost, whenever it came") {
    ON_EACH_WITH_UNIX_SOCKETS;
    const auto f = GENERATE(family::tcp, family::unix_path);
    const bool was_accepting = GENERATE(true, false);
    on.run([=]() -> task<> {
        const test::temporary_directory directory;
        for (const int turns : {0, 1, 2, 62, 63, 64, 65}) {
            bight::listener l = bight::listen(test::new_endpoint(f, directory));
            const bight::address at = l.local();
            if (was_accepting) co_await accept_in_vain(l);
            std::vector<test::raw_socket> clients;
            for (int i = 0; i < 5; ++i) {
                clients.push_back(asking(at, std::to_string(i)));
                co_await test::turns(turns);
            }
            clients.push_back(asking(at, "5"));
            bight::released_listener released = bight::release_listener(std::move(l));
            CHECK_FALSE(l);
            clients.push_back(asking(at, "6"));
            const std::size_t served = co_await serve_all(released, clients.size());
            CHECK(served == clients.size());
            for (std::size_t i = 0; i < clients.size(); ++i) {
                CHECK(clients[i].receive_all() == std::to_string(i));
            }
            if (f == family::unix_path) CHECK(::unlink(at.path().c_str()) == 0);  // nobody else removes it
        }
    });
}

TEST_CASE("release: a connection of which the kernel has told, and nobody has heard, is there") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        co_await accept_in_vain(l);
        auto other = co_await test::connected_pair(family::unix_path);
        const auto nothing = co_await bight::try_with_timeout(other.server.read_some(), 1ms);
        CHECK_FALSE(nothing);
        std::vector<test::raw_socket> clients;
        for (int i = 0; i < 3; ++i) clients.push_back(asking(l.local(), "x"));
        other.server.abort();  // io_uring enters the kernel, to stop its receive
        bight::released_listener released = bight::release_listener(std::move(l));
        const std::size_t served = co_await serve_all(released, clients.size());
        CHECK(served == clients.size());
        for (const test::raw_socket& client : clients) CHECK(client.receive_all() == "x");
    });
}

TEST_CASE("release: more connections than are accepted ahead are all there") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    on.run([]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        co_await accept_in_vain(l);
        std::vector<test::raw_socket> clients;
        for (int i = 0; i < 100; ++i) {
            clients.push_back(asking(l.local(), std::to_string(i)));
            if (i % 10 == 0) co_await test::turns(64);
        }
        bight::released_listener released = bight::release_listener(std::move(l));
        const std::size_t served = co_await serve_all(released, clients.size());
        CHECK(served == clients.size());
    });
}

TEST_CASE("release: another process accepts, and its clients find the way by the path") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const test::temporary_directory directory;
        const std::string path = directory.file("socket");
        bight::listener l = bight::listen("unix:" + test::escaped(path));
        auto [front, worker] = co_await beside_raw();
        {
            const bight::released_listener released = bight::release_listener(std::move(l));
            co_await bight::send_descriptor(front, released.socket.get(), "l");
        }
        const test::raw_socket client = test::raw_connect(bight::address::from_path(path));
        char byte = 0;
        iovec piece{&byte, 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        REQUIRE(::recvmsg(worker.get(), &message, 0) == 1);
        int passed = -1;
        std::memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof passed);
        {
            const owned_descriptor listening(passed);
            const owned_descriptor accepted(::accept(listening.get(), nullptr, nullptr));
            CHECK(accepted.get() >= 0);
        }
        // Nobody listens there any more.
        const bight::listener next = bight::listen("unix:" + test::escaped(path));
        CHECK(next);
    });
}

TEST_CASE("release: an adopted socket blocks again if it did before") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const bool blocking = GENERATE(true, false);
    on.run([blocking]() -> task<> {
        const test::raw_socket shared = test::listening_socket(blocking);
        bight::listener l = bight::listen("fd:" + std::to_string(shared.get()));
        co_await accept_in_vain(l);
        const bight::released_listener released = bight::release_listener(std::move(l));
        CHECK(test::blocks_as(shared.get(), blocking));
        CHECK(test::is_close_on_exec(released.socket));
    });
}

TEST_CASE("release: a listener is not taken out while an accept waits, and goes on") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors_and_personalities())));
    on.run([]() -> task<> {
        bight::listener l = bight::listen("tcp:0");
        const std::string where = "tcp:127.0.0.1:" + std::to_string(l.local().port());
        bool accepted = false;
        auto accept = [&]() -> task<> {
            const bight::stream s = co_await l.accept();
            accepted = true;
        };
        auto refuse = [&]() -> task<> {
            co_await test::turns(2);
            CHECK(code_thrown_by([&] { (void)bight::release_listener(std::move(l)); }) == bight::errc::busy);
            CHECK(l);
            const bight::stream client = co_await bight::connect(where);
            while (!accepted) co_await bight::sleep_for(1ms);
        };
        co_await bight::when_all(accept(), refuse());
        co_await accept_in_vain(l);
        const bight::released_listener released = bight::release_listener(std::move(l));
        CHECK(released.accepted.empty());
        CHECK(code_thrown_by([&] { (void)bight::release_listener(std::move(l)); }) ==
              std::errc::bad_file_descriptor);
        bight::listener again = bight::listen(released.socket.as_endpoint());
        bight::stream client = co_await bight::connect(where);
        const bight::stream server = co_await again.accept();
        CHECK(server);
    });
}

TEST_CASE("release: an accept that has just been cancelled is no obstacle, and no connection is lost") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        for (int turns = 0; turns < 70; ++turns) {
            CAPTURE(turns);
            bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            std::vector<bight::stream> accepted;
            bight::released_listener released;
            std::error_code error;
            test::cancellable accept;
            auto accept_one = [&]() -> task<> {
                bight::stream one = co_await l.accept();
                accepted.push_back(std::move(one));
            };
            auto release = [&]() -> task<> {
                co_await test::turns(65);
                const std::vector<test::raw_socket> clients = two_asking(l.local());
                co_await test::turns(turns);
                accept.cancel();
                try {
                    released = bight::release_listener(std::move(l));
                } catch (const std::system_error& e) {
                    error = e.code();
                }
                co_await test::turns(2);
                CHECK_FALSE(error);
                if (error) co_return;
                const std::size_t served = co_await serve_all(released, 2 - accepted.size());
                CHECK(served == 2 - accepted.size());
            };
            co_await bight::when_all(accept.run(accept_one()), release());
        }
    });
}

TEST_CASE("release: an accept that has just been cancelled is no obstacle on a simulated host either") {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        bight::sim::world_options options;
        options.personality = bight::sim::personalities[seed % bight::sim::personalities.size()];
        options.faults = bight::sim::fault_plan::storm().without_harm();
        bight::sim::world w(seed, options);
        std::size_t served = 0;
        w.add("server").run([&]() -> task<> {
            bight::listener l = bight::listen("tcp:7000");
            std::vector<bight::stream> accepted;
            test::cancellable accept;
            auto accept_one = [&]() -> task<> {
                bight::stream one = co_await l.accept();
                accepted.push_back(std::move(one));
            };
            auto release = [&]() -> task<> {
                co_await bight::sleep_for(2s + seed * 100us);
                accept.cancel();
                bight::released_listener released = bight::release_listener(std::move(l));
                co_await bight::sleep_for(1s);
                for (bight::stream& one : accepted) {
                    co_await one.write("x");
                    co_await one.close();
                }
                served = accepted.size() + co_await serve_all(released, 2 - accepted.size());
            };
            co_await bight::when_all(accept.run(accept_one()), release());
        });
        int answered = 0;
        for (int i = 0; i < 2; ++i) {
            w.add("client" + std::to_string(i)).run([&]() -> task<> {
                co_await bight::sleep_for(2s);
                bight::stream s = co_await bight::connect("tcp:server:7000");
                co_await s.write("x");
                co_await s.shutdown_write();
                const std::string answer = co_await test::read_all(s);
                if (answer == "x") ++answered;
            });
        }
        w.run();
        CHECK(served == 2);
        CHECK(answered == 2);
    }
}

TEST_CASE("release: a listener is its reactor's: not another's, nor a forked child's") {
    ON_EACH_WITH_UNIX_SOCKETS;
    bight::listener l;
    on.run([&]() -> task<> {
        l = bight::listen("tcp:0:interface=127.0.0.1");
        co_await accept_in_vain(l);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            const auto code = code_thrown_by([&] { (void)bight::release_listener(std::move(l)); });
            ::_exit(code == bight::errc::wrong_thread && l ? 0 : 1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        const test::raw_socket client = asking(l.local(), "x");
        const bight::stream server = co_await l.accept();
        CHECK(server);
    });
    CHECK(code_thrown_by([&] { (void)bight::release_listener(std::move(l)); }) == bight::errc::wrong_thread);
    CHECK(l);
    on.run([&]() -> task<> {
        l = bight::listener();
        co_return;
    });
}

TEST_CASE("release: a listener whose connections another reactor accepts has no socket to give") {
    bight::runtime_options two;
    two.reactors = 2;
    bight::runtime all(two);
    bight::listen_options options;
    options.sharding = bight::sharding::hand_over;
    bight::sharded_listener sharded(all, "tcp:0:interface=127.0.0.1", options);
    std::array<std::error_code, 2> codes;
    all.run([&]() -> task<> {
        const std::size_t here = all.index_here();
        bight::listener l = sharded.listen();
        codes[here] = code_thrown_by([&] { (void)bight::release_listener(std::move(l)); });
        co_return;
    });
    CHECK(std::count(codes.begin(), codes.end(), std::errc::operation_not_supported) >= 1);
}

TEST_CASE("release: a listener goes from program to program of a simulated host, with those who wait") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        bight::sim::world_options options;
        options.personality = bight::sim::personalities[seed % bight::sim::personalities.size()];
        options.faults = bight::sim::fault_plan::storm().without_harm();
        bight::sim::world w(seed, options);
        auto& server = w.add("server");
        server.run([]() -> task<> {
            bight::listener work = bight::listen("unix:@work");
            bight::stream front = co_await work.accept();
            char byte = 0;
            const auto got = co_await bight::receive_descriptors(front, bight::mutable_buffer(&byte, 1));
            REQUIRE(got.descriptors.size() == 1);
            bight::listener passed = bight::listen(got.descriptors[0].as_endpoint());
            for (int i = 0; i < 3; ++i) {
                bight::stream s = co_await passed.accept();
                co_await s.write("served");
                co_await s.close();
            }
        });
        server.run([]() -> task<> {
            co_await bight::sleep_for(1s);
            bight::stream worker = co_await bight::connect("unix:@work");
            bight::listener l = bight::listen("tcp:7000");
            co_await bight::sleep_for(5s);  // they wait in the queue
            const bight::released_listener released = bight::release_listener(std::move(l));
            co_await bight::send_descriptor(worker, released.socket.get(), "l");
            co_await worker.close();
        });
        int served = 0;
        for (int i = 0; i < 3; ++i) {
            w.add("client" + std::to_string(i)).run([&]() -> task<> {
                co_await bight::sleep_for(2s);
                bight::stream s = co_await bight::connect("tcp:server:7000");
                const std::string answer = co_await test::read_all(s);
                if (answer == "served") ++served;
            });
        }
        w.run();
        CHECK(served == 3);
        w.run_for(1min);
        CHECK(server.sockets() == 0);
    }
}
