// Sockets that are open already, those that systemd passes, and what it is told.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"
#include "support/unix_sockets.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/systemd.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

using bight::datagram_socket;
using bight::task;
using namespace std::chrono_literals;

namespace {

using variable = test::environment_variable;

std::string refusal(const char* endpoint) {
    try {
        (void)bight::listen(endpoint);
    } catch (const std::system_error& e) {
        CHECK(e.code() == bight::errc::unavailable);
        return e.what();
    }
    return "";
}

/// A UDP socket of 127.0.0.1, made with the system's calls.
test::raw_socket bound_udp() {
    test::raw_socket s(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(s.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    return s;
}

std::string fd(const test::raw_socket& s) { return "fd:" + std::to_string(s.get()); }

}  // namespace

TEST_CASE("a socket of datagrams that is open is adopted, with its address; the original stays open") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const test::raw_socket open = bound_udp();
    on.run([&]() -> task<> {
        datagram_socket ours = datagram_socket::bind(fd(open));
        CHECK_FALSE(ours.peer());
        datagram_socket other = datagram_socket::bind("udp:0:interface=127.0.0.1");
        co_await other.send_to(ours.local(), "to an adopted one");
        char memory[64];
        const auto got = co_await ours.receive_from(bight::mutable_buffer(memory, sizeof memory));
        CHECK(std::string(memory, got.size) == "to an adopted one");
        CHECK(got.from == other.local());
        co_await ours.send_to(got.from, "back");
        const auto back = co_await other.receive_from(bight::mutable_buffer(memory, sizeof memory));
        CHECK(std::string(memory, back.size) == "back");
    });
    CHECK(::fcntl(open.get(), F_GETFD) >= 0);
}

TEST_CASE("an adopted socket of datagrams keeps the peer that it has") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const test::raw_socket one = bound_udp();
    const test::raw_socket two = bound_udp();
    sockaddr_in at{};
    socklen_t size = sizeof at;
    REQUIRE(::getsockname(two.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    REQUIRE(::connect(one.get(), reinterpret_cast<const sockaddr*>(&at), size) == 0);
    on.run([&]() -> task<> {
        datagram_socket ours = datagram_socket::bind(fd(one));
        datagram_socket theirs = datagram_socket::bind(fd(two));
        CHECK(ours.peer() == theirs.local());
        co_await ours.send("to the peer");
        char memory[64];
        const auto got = co_await theirs.receive_from(bight::mutable_buffer(memory, sizeof memory));
        CHECK(std::string(memory, got.size) == "to the peer");
        const auto elsewhere =
            co_await test::error_of([&]() -> task<> { co_await ours.send_to(ours.local(), "x"); }());
        CHECK(elsewhere == std::errc::already_connected);
    });
}

TEST_CASE("sockets of the wrong kind are not adopted") {
    test::reactor_fixture on(test::any_demultiplexer);
    const test::raw_socket datagrams = bound_udp();
    const test::raw_socket stream(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const test::raw_socket file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    on.run([&]() -> task<> {
        const auto code_of = [](auto open) {
            try {
                open();
            } catch (const std::system_error& e) {
                return e.code();
            }
            return std::error_code();
        };
        CHECK(code_of([&] { (void)datagram_socket::bind(fd(stream)); }) == test::from_errno(EPROTOTYPE));
        CHECK(code_of([&] { (void)datagram_socket::bind(fd(file)); }) == test::from_errno(ENOTSOCK));
        CHECK(code_of([&] { (void)bight::listen(fd(datagrams)); }));
        co_return;
    });
}

TEST_CASE("without sockets of systemd's the error says what was passed, and to whom") {
    test::reactor_fixture on(test::any_demultiplexer);
    on.run([]() -> task<> {
        CHECK_THAT(refusal("systemd:web"),
                   Catch::Contains("LISTEN_FDS is not set") && Catch::Contains(".socket"));
        const variable count("LISTEN_FDS", "2");
        {
            const variable process("LISTEN_PID", "1");
            CHECK_THAT(refusal("systemd:web"), Catch::Contains("were passed to process 1, and this is"));
        }
        const variable process("LISTEN_PID", std::to_string(::getpid()));
        CHECK_THAT(refusal("systemd:web"),
                   Catch::Contains("those that were passed are called unknown, unknown"));
        const variable names("LISTEN_FDNAMES", "admin:api");
        CHECK_THAT(refusal("systemd:web"),
                   Catch::Contains("cannot use systemd:web") && Catch::Contains("called admin, api"));
        CHECK_THAT(refusal("systemd:index=2"), Catch::Contains("there is no such socket"));
        CHECK_THAT(refusal("systemd:api:index=1"), Catch::Contains("there is no such socket"));
        const variable wrong("LISTEN_FDS", "two");
        CHECK_THAT(refusal("systemd:web"), Catch::Contains("LISTEN_FDS is \"two\", and no number"));
        co_return;
    });
}

TEST_CASE("systemd endpoints are parsed, and printed as they came") {
    for (const char* text : {"systemd:web", "systemd:web:index=3", "systemd:index=0", "systemd:index=7"}) {
        CHECK(bight::endpoint::parse(text).to_string() == text);
    }
    CHECK_THROWS_WITH(bight::endpoint::parse("systemd:"), Catch::Contains("at position 8: expected a name"));
    CHECK_THROWS_WITH(bight::endpoint::parse("systemd:a\\:b"), Catch::Contains("a name of sockets"));
    CHECK_THROWS_WITH(bight::endpoint::parse("systemd:index=-1"), Catch::Contains("a number (0 to 65535)"));
}

TEST_CASE("the service manager is told what it asks for, and nobody is where there is none") {
    test::need_unix_sockets();
    const bool abstract = GENERATE(false, true);
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const test::temporary_directory place;
    const std::string file = place.file("notify");
    on.run([&]() -> task<> {
        const bool nobody = co_await bight::systemd_notify("READY=1");
        CHECK_FALSE(nobody);
        const std::string at = abstract ? "@bight-notify-" + std::to_string(::getpid()) : file;
        datagram_socket manager = datagram_socket::bind("unix:" + at);
        const variable socket("NOTIFY_SOCKET", at);
        const bool told = co_await bight::systemd_notify("READY=1\nSTATUS=up");
        CHECK(told);
        char memory[64];
        const auto got = co_await manager.receive_from(bight::mutable_buffer(memory, sizeof memory));
        CHECK(std::string(memory, got.size) == "READY=1\nSTATUS=up");
    });
}

TEST_CASE("the watchdog is told twice in its interval; where none is asked for, the task ends") {
    test::need_unix_sockets();
    bight::virtual_clock clock;
    bight::reactor_options options;
    options.clock = &clock;
    bight::reactor r(options);
    const test::temporary_directory place;
    const std::string file = place.file("watchdog");
    auto program = [&]() -> task<> {
        co_await bight::systemd_watchdog();  // nobody asks
        datagram_socket manager = datagram_socket::bind("unix:" + file);
        const variable socket("NOTIFY_SOCKET", file);
        const variable interval("WATCHDOG_USEC", "20000000");
        {
            const variable process("WATCHDOG_PID", "1");
            co_await bight::systemd_watchdog();  // another process is asked
        }
        const variable process("WATCHDOG_PID", std::to_string(::getpid()));
        const bight::time_point began = bight::now();
        auto count = [&]() -> task<> {
            for (int i = 0; i < 4; ++i) {
                char memory[64];
                const auto got = co_await manager.receive_from(bight::mutable_buffer(memory, sizeof memory));
                CHECK(std::string(memory, got.size) == "WATCHDOG=1");
                CHECK(bight::now() - began == 10s * i);
            }
        };
        co_await bight::race(count(), bight::systemd_watchdog());
    };
    r.run(program());
}
