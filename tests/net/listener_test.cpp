// Listening: addresses, errors, the files of Unix sockets, descriptors that are there already, accepting.
#include "path_exists.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"
#include "support/thread_count.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::errc;
using bight::task;
using test::error_of;
using test::from_errno;
using namespace std::chrono_literals;

namespace {

// What `listen` throws for `where`; an empty text when it succeeds.
std::string listen_error(const std::string& where, std::error_code* code = nullptr) {
    try {
        const bight::listener l = bight::listen(where);
        return {};
    } catch (const std::system_error& e) {
        if (code) *code = e.code();
        return e.what();
    }
}

}  // namespace

TEST_CASE("listening at port 0 gives a real port") {
    test::on_each_of(test::reactors(), []() -> task<> {
        const bight::listener v4 = bight::listen("tcp:0:interface=127.0.0.1");
        CHECK(v4.local().port() != 0);
        CHECK(v4.local().host() == "127.0.0.1");
        const bight::listener named = bight::listen("tcp:localhost:0");
        CHECK(named.local().host() == "127.0.0.1");
        co_return;
    });
}

TEST_CASE("listening at port 0 gives a real port, over IPv6") {
    test::on_each_of(test::reactors_with_ipv6(), []() -> task<> {
        const bight::listener v6 = bight::listen("tcp6:0:interface=\\:\\:1");
        CHECK(v6.local().port() != 0);
        CHECK(v6.local().host() == "::1");
        co_return;
    });
}

TEST_CASE("an IPv6 listener leaves its port to an IPv4 one") {
    test::on_each_of(test::reactors_with_ipv6(), []() -> task<> {
        // Another program may have one of these ports at 127.0.0.1, but not all of them.
        std::vector<bight::listener> v6;
        std::string error = "none tried";
        for (int i = 0; i < 10 && !error.empty(); ++i) {
            v6.push_back(bight::listen("tcp6:0:interface=\\:\\:1"));
            error = listen_error("tcp:" + std::to_string(v6.back().local().port()) + ":interface=127.0.0.1");
        }
        CHECK(error == "");
        co_return;
    });
}

TEST_CASE("an error of listening names the place and keeps the errno") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const bight::listener first = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string port = std::to_string(first.local().port());
        std::error_code code;
        const std::string taken = listen_error("tcp:" + port + ":interface=127.0.0.1", &code);
        CHECK(code == from_errno(EADDRINUSE));
        CHECK_THAT(taken, Catch::Contains("127.0.0.1") && Catch::Contains(port));

        const std::string foreign = listen_error("tcp:0:interface=192.0.2.1", &code);
        CHECK(code == from_errno(EADDRNOTAVAIL));
        CHECK_THAT(foreign, Catch::Contains("192.0.2.1"));

        listen_error("tcp:0:interface=not.numeric", &code);
        CHECK(code == errc::bad_endpoint);
        listen_error("tcp:", &code);
        CHECK(code == errc::bad_endpoint);

        if (test::no_unix_sockets()) co_return;
        const std::string nowhere = listen_error("unix:/nonexistent-directory/socket", &code);
        CHECK(code == from_errno(ENOENT));
        CHECK_THAT(nowhere, Catch::Contains("/nonexistent-directory/socket"));
        co_return;
    });
}

TEST_CASE("a port can be listened on again at once after close, with connections still open") {
    test::on_each_of(test::reactors(), []() -> task<> {
        bight::listener first = bight::listen("tcp:0:interface=127.0.0.1");
        const auto where = first.local();
        bight::stream client = co_await bight::connect(test::endpoint_to(where));
        bight::stream server = co_await first.accept();
        first.close();
        CHECK_FALSE(static_cast<bool>(first));
        first.close();
        const bight::listener second =
            bight::listen("tcp:" + std::to_string(where.port()) + ":interface=127.0.0.1");
        CHECK(second.local() == where);
        co_await server.write("still here");
        const auto chunk = co_await client.read_some();
        CHECK(chunk.view() == "still here");
    });
}

#if !defined(_WIN32)

TEST_CASE("listeners with reuse_port share a port") {
    test::on_each_of(test::reactors(), []() -> task<> {
        const bight::listener first = bight::listen("tcp:0:interface=127.0.0.1:reuse_port=yes");
        const std::string again =
            "tcp:" + std::to_string(first.local().port()) + ":interface=127.0.0.1:reuse_port=yes";
        CHECK(listen_error(again) == "");
        co_return;
    });
}

#else

TEST_CASE("reuse_port is refused where there is none") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        std::error_code code;
        listen_error("tcp:0:interface=127.0.0.1:reuse_port=yes", &code);
        CHECK(code == std::errc::no_protocol_option);
        co_return;
    });
}

#endif

TEST_CASE("listening and accepted sockets are close-on-exec") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
        bight::stream server = co_await l.accept();
        for (const int fd : {l.native_handle(), client.native_handle(), server.native_handle()}) {
            CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    });
}

#if !defined(_WIN32)  // has no such modes

TEST_CASE("the file of a Unix socket has the mode asked for, past the umask, and goes with the listener") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::temporary_directory directory;
        const std::string path = directory.file("socket");
        for (const int mode : {0660, 0600, 0666}) {
            char text[8];
            std::snprintf(text, sizeof text, "%o", static_cast<unsigned>(mode));
            bight::listener l = bight::listen("unix:" + path + ":mode=" + text);
            struct stat found{};
            REQUIRE(::stat(path.c_str(), &found) == 0);
            CHECK(S_ISSOCK(found.st_mode));
            CHECK((found.st_mode & 07777) == static_cast<mode_t>(mode));
            l.close();
            CHECK_FALSE(test::path_exists(path));
        }
        co_return;
    });
}

#endif

TEST_CASE("a stale Unix socket is replaced; a live one, and a file that is no socket, are not") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::temporary_directory directory;
        const std::string path = directory.file("socket");
        {  // what a server that was killed leaves behind
            const test::raw_socket left(::socket(AF_UNIX, SOCK_STREAM, 0));
            const auto at = bight::address::from_path(path);
            REQUIRE(::bind(left.get(), static_cast<const sockaddr*>(at.native()),
                           static_cast<socklen_t>(at.native_size())) == 0);
        }
        REQUIRE(test::path_exists(path));
        bight::listener first = bight::listen("unix:" + path);
        std::error_code code;
        listen_error("unix:" + path, &code);
        CHECK(code == from_errno(EADDRINUSE));
        // The first was not harmed.
        bight::stream client = co_await bight::connect("unix:" + path);
        bight::stream server = co_await first.accept();
        client = {};
        server = {};
        first.close();

        const std::string precious = directory.file("precious");
        std::ofstream(precious) << "text";
        const std::string text = listen_error("unix:" + precious, &code);
        CHECK(code == from_errno(EADDRINUSE));
        CHECK(text.find("a file is that is no socket") != std::string::npos);
        CHECK(test::path_exists(precious));
    });
}

TEST_CASE("of those that start at one Unix path in one moment, one listens there, and it can be reached") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    const test::temporary_directory directory;
    const std::string path = directory.file("socket");
    constexpr std::size_t starting = 4;
    constexpr int rounds = 50;
    std::array<std::atomic<int>, rounds> listening{};
    std::array<std::atomic<int>, rounds> reached{};
    const auto leave_behind = [&]() noexcept {
        const test::raw_socket left(::socket(AF_UNIX, SOCK_STREAM, 0));
        const auto at = bight::address::from_path(path);
        ::unlink(path.c_str());
        ::bind(left.get(), static_cast<const sockaddr*>(at.native()),
               static_cast<socklen_t>(at.native_size()));
    };
    test::thread_meeting gate(starting, leave_behind);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < starting; ++i) {
        threads.emplace_back([&] {
            bight::reactor r;
            for (std::size_t round = 0; round < rounds; ++round) {
                gate.arrive_and_wait();
                r.run([&]() -> task<> {
                    std::optional<bight::listener> here;
                    try {
                        here.emplace(bight::listen("unix:" + path));
                    } catch (const std::system_error& e) {
                        if (e.code() != from_errno(EADDRINUSE)) throw;
                    }
                    if (here) {
                        ++listening[round];
                        const bight::stream client = co_await bight::connect("unix:" + path);
                        const auto accepted = co_await bight::try_with_timeout(here->accept(), 20s);
                        if (accepted) ++reached[round];
                    }
                    gate.arrive_and_wait();
                }());
            }
        });
    }
    for (auto& t : threads) t.join();
    for (std::size_t round = 0; round < rounds; ++round) {
        CAPTURE(round);
        CHECK(listening[round] == 1);
        CHECK(reached[round] == 1);
    }
}

TEST_CASE("a Unix socket that is bound is no stale one, though nobody listens there yet") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    bight::runtime several;
    test::reactor_fixture on(test::demultiplexers().front());
    on.run([&]() -> task<> {
        const test::temporary_directory directory;
        const std::string where = "unix:" + directory.file("socket");
        const bight::sharded_listener first(several, where);
        std::error_code code;
        listen_error(where, &code);
        CHECK(code == from_errno(EADDRINUSE));
        const bight::stream client = co_await bight::connect(where);
        CHECK(client);
    });
}

TEST_CASE("an abstract Unix socket leaves no file, and its name is free again after close") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::on_each_of(test::reactors(), []() -> task<> {
        const std::string where = "unix:@bight-listener-test-" + std::to_string(::getpid());
        bight::listener first = bight::listen(where);
        CHECK("unix:" + first.local().path() == where);
        std::error_code code;
        listen_error(where, &code);
        CHECK(code == from_errno(EADDRINUSE));
        first.close();
        CHECK(listen_error(where) == "");
        co_return;
    });
}

TEST_CASE("a descriptor that listens already is adopted, and the original stays") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::raw_socket original(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto any = bight::address::from_ip("127.0.0.1", 0);
        REQUIRE(::bind(original.get(), static_cast<const sockaddr*>(any.native()),
                       static_cast<socklen_t>(any.native_size())) == 0);
        REQUIRE(::listen(original.get(), 8) == 0);
        const std::string where = "fd:" + std::to_string(original.get());
        for (int i = 0; i < 2; ++i) {  // closing what was adopted does not shut the original down
            bight::listener l = bight::listen(where);
            bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
            bight::stream server = co_await l.accept();
            co_await server.write("x");
            const auto chunk = co_await client.read_some();
            CHECK(chunk.view() == "x");
        }
        const auto error = co_await error_of(bight::connect(where));
        CHECK(error == from_errno(EINVAL));
    });
}

TEST_CASE("what cannot be listened on is refused") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        std::error_code code;
        const test::raw_socket plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        listen_error("fd:" + std::to_string(plain.get()), &code);
        CHECK(code == from_errno(EINVAL));
#if defined(_WIN32)  // calls on sockets tell no descriptor that is closed from one that is no socket
        listen_error("fd:987654", &code);
        CHECK(code == from_errno(ENOTSOCK));
#else
        const test::raw_socket packets(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        const auto name = bight::address::from_path("@bight-packets-" + std::to_string(::getpid()));
        REQUIRE(::bind(packets.get(), static_cast<const sockaddr*>(name.native()),
                       static_cast<socklen_t>(name.native_size())) == 0);
        REQUIRE(::listen(packets.get(), 1) == 0);
        const int flags = ::fcntl(packets.get(), F_GETFL);
        listen_error("fd:" + std::to_string(packets.get()), &code);
        CHECK(code == from_errno(EPROTOTYPE));
        CHECK(::fcntl(packets.get(), F_GETFL) == flags);
        const test::raw_socket file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        listen_error("fd:" + std::to_string(file.get()), &code);
        CHECK(code == from_errno(ENOTSOCK));
        listen_error("fd:987654", &code);
        CHECK(code == from_errno(EBADF));
#endif
        co_return;
    });
}

TEST_CASE("a second accept gets busy, and the first goes on") {
    test::on_each_of(test::reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        auto first = [&]() -> task<> {
            bight::stream s = co_await l.accept();
            CHECK(s.is_open());
        };
        auto second = [&]() -> task<> {
            const auto error = co_await error_of(l.accept());
            CHECK(error == errc::busy);
            const bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
        };
        co_await bight::when_all(first(), second());
    });
}

TEST_CASE("closing the listener ends a pending accept with closed") {
    test::on_each_of(test::reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        auto accept = [&]() -> task<> {
            const auto error = co_await error_of(l.accept());
            CHECK(error == errc::closed);
        };
        auto close = [&]() -> task<> {
            co_await bight::yield();
            l.close();
        };
        co_await bight::when_all(accept(), close());
    });
}

TEST_CASE("a cancelled accept loses no connection") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        constexpr int total = 40;
        int accepted = 0;
        for (int i = 0; i < total; ++i) {
            // The connection comes before, while and after the accept is cancelled.
            const auto accept = [&]() -> task<> {
                for (;;) {
                    const bight::stream s = co_await l.accept();
                    ++accepted;
                }
            };
            auto come = [&]() -> task<> {
                for (int turn = 0; turn < i % 3; ++turn) co_await bight::yield();
                const test::raw_socket client = test::raw_connect(l.local());
                for (int turn = 0; turn < i % 4; ++turn) co_await bight::yield();
            };
            co_await bight::when_any(come(), accept());
        }
        while (accepted < total) {
            const bight::stream s = co_await l.accept();
            ++accepted;
        }
        CHECK(accepted == total);
    });
}

TEST_CASE("many connections that wait are accepted, each once") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        std::vector<test::raw_socket> clients;
        for (int i = 0; i < 150; ++i) {
            clients.push_back(test::raw_connect(l.local()));
            clients.back().send(std::to_string(i));
            clients.back().close();
        }
        std::vector<bool> seen(clients.size());
        for (std::size_t i = 0; i < clients.size(); ++i) {
            bight::stream s = co_await l.accept();
            const std::string number = co_await test::read_all(s);
            const auto at = static_cast<std::size_t>(std::stoi(number));
            CHECK_FALSE(seen.at(at));
            seen.at(at) = true;
        }
    });
}

TEST_CASE("a connection that was reset before it is accepted does not stop the listener") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        for (int i = 0; i < 5; ++i) {
            test::raw_socket gone = test::raw_connect(l.local());
            gone.reset();
        }
        test::raw_socket client = test::raw_connect(l.local());
        client.send("alive");
        client.close();
        for (;;) {
            bight::stream s = co_await l.accept();
            auto chunk = co_await bight::as_result(s.read_some());
            if (chunk && chunk->view() == "alive") break;
        }
    });
}

TEST_CASE("a listener that is destroyed with connections in its backlog leaves nothing") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        std::vector<test::raw_socket> clients;
        {
            bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            for (int i = 0; i < 20; ++i) clients.push_back(test::raw_connect(l.local()));
            // io_uring accepts ahead; what nobody took is closed with the listener.
            const bight::stream one = co_await l.accept();
            co_await bight::yield();
        }
        clients.clear();
    });
}
