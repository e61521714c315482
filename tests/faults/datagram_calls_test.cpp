// Sockets of datagrams whose calls fail as they seldom do.
#include "message_faults.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>

using bight::datagram_socket;
using bight::task;
using test::error_of;

namespace {

struct two_sockets {
    datagram_socket server;
    datagram_socket client;  // has the other as its peer
};

task<two_sockets> connected() {
    two_sockets made;
    made.server = datagram_socket::bind("udp:0:interface=127.0.0.1");
    made.client =
        co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(made.server.local().port()));
    co_return made;
}

task<std::string> text_of_next(datagram_socket& s) {
    std::array<char, 100> memory{};
    const auto got = co_await s.receive_from(memory);
    co_return std::string(memory.data(), got.size);
}

template <class F>
void on_each_demultiplexer(F body) {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&] { return body(); });
    CHECK(test::send_errors().empty());
    CHECK(test::receive_errors().empty());
}

}  // namespace

TEST_CASE("a call that is interrupted, or finds no room, is made again") {
    on_each_demultiplexer([]() -> task<> {
        two_sockets s = co_await connected();
        test::send_errors() = {EINTR, EINTR, EAGAIN};
        co_await s.client.send("x");
        test::receive_errors() = {EINTR, EAGAIN, EINTR};
        const std::string text = co_await text_of_next(s.server);
        CHECK(text == "x");
    });
}

TEST_CASE("out of buffers or memory is an error of its call, and the socket goes on") {
    on_each_demultiplexer([]() -> task<> {
        two_sockets s = co_await connected();
        for (const int error : {ENOBUFS, ENOMEM, EPERM}) {
            test::send_errors() = {error};
            const auto sent = co_await error_of(s.client.send("x"));
            CHECK(sent.value() == error);
            test::receive_errors() = {error};
            const auto received = co_await error_of(text_of_next(s.server));
            CHECK(received.value() == error);
            co_await s.client.send("goes on");
            const std::string text = co_await text_of_next(s.server);
            CHECK(text == "goes on");
        }
    });
}

TEST_CASE("what the network said of an earlier datagram is told to a receive, not to the send that met it") {
    on_each_demultiplexer([]() -> task<> {
        two_sockets s = co_await connected();
        for (const int error : {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EACCES, EPROTO}) {
            test::send_errors() = {error};
            co_await s.client.send("is sent all the same");
            const std::string text = co_await text_of_next(s.server);
            CHECK(text == "is sent all the same");
            const auto told = co_await error_of(text_of_next(s.client));
            CHECK(told.value() == error);
        }
    });
}

TEST_CASE("an error that a send meets twice is its own, unless it is a refusal") {
    on_each_demultiplexer([]() -> task<> {
        two_sockets s = co_await connected();
        test::send_errors() = {EHOSTUNREACH, EHOSTUNREACH};
        const auto own = co_await error_of(s.client.send("x"));
        CHECK(own == std::errc::host_unreachable);
        test::send_errors() = {ECONNREFUSED, ECONNREFUSED, ECONNREFUSED};
        co_await s.client.send("after three refusals");
        const std::string text = co_await text_of_next(s.server);
        CHECK(text == "after three refusals");
        const auto told = co_await error_of(text_of_next(s.client));
        CHECK(told == std::errc::connection_refused);
        test::send_errors() = {ECONNREFUSED, ECONNREFUSED, ECONNREFUSED, ECONNREFUSED};
        const auto at_last = co_await error_of(s.client.send("x"));
        CHECK(at_last == std::errc::connection_refused);
        co_await s.client.send("goes on");
        const std::string next = co_await text_of_next(s.server);
        CHECK(next == "goes on");
    });
}

TEST_CASE("of two errors that a send meets the last is told; without a peer an error is the send's own") {
    on_each_demultiplexer([]() -> task<> {
        two_sockets s = co_await connected();
        test::send_errors() = {EHOSTUNREACH, ECONNREFUSED};
        co_await s.client.send("x");
        const auto told = co_await error_of(text_of_next(s.client));
        CHECK(told == std::errc::connection_refused);  // the last one
        test::send_errors() = {EHOSTUNREACH};
        const auto own = co_await error_of(s.server.send_to(s.client.local(), "x"));
        CHECK(own == std::errc::host_unreachable);
    });
}

TEST_CASE("several datagrams to a peer go on after an error of the network") {
    on_each_demultiplexer([]() -> task<> {
        two_sockets s = co_await connected();
        const std::array<bight::outgoing_datagram, 3> all{{{{}, "one"}, {{}, "two"}, {{}, "three"}}};
        test::send_errors() = {0, ECONNREFUSED, 0, 0};
        const std::size_t sent = co_await s.client.send_many(all);
        CHECK(sent == 3);
        for (const char* expected : {"one", "two", "three"}) {
            const std::string text = co_await text_of_next(s.server);
            CHECK(text == expected);
        }
        const auto told = co_await error_of(text_of_next(s.client));
        CHECK(told == std::errc::connection_refused);
        // One that is full after the first has sent that, and does not wait.
        test::send_errors() = {0, EAGAIN};
        const std::size_t one = co_await s.client.send_many(all);
        CHECK(one == 1);
    });
}

namespace {

// Two datagrams, one of them of no bytes, to where a socket is bound.
void send_as_stranger(int fd) {
    sockaddr_storage at{};
    socklen_t size = sizeof at;
    CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    const int stranger = ::socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(stranger >= 0);
    for (const std::string text : {"", "not for you"}) {
        CHECK(::sendto(stranger, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&at), size) ==
              static_cast<ssize_t>(text.size()));
    }
    ::close(stranger);
}

}  // namespace

TEST_CASE("what came before a socket had its peer is not received") {
    const test::temporary_directory directory;
    const bool is_unix = GENERATE(false, true);
    on_each_demultiplexer([&]() -> task<> {
        datagram_socket server = datagram_socket::bind(
            is_unix ? "unix:" + test::escaped(directory.file("server")) : "udp:0:interface=127.0.0.1");
        const std::string to = is_unix ? "unix:" + test::escaped(directory.file("server"))
                                       : "udp:127.0.0.1:" + std::to_string(server.local().port());
        bight::datagram_options options;
        options.local = is_unix ? bight::address::from_path(directory.file("client"))
                                : bight::address::from_ip("127.0.0.1", 0);
        test::before_connect() = send_as_stranger;
        datagram_socket client = co_await datagram_socket::connect(to, options);
        test::before_connect() = nullptr;
        co_await server.send_to(client.local(), "from the peer");
        const std::string text = co_await text_of_next(client);
        CHECK(text == "from the peer");
    });
}

TEST_CASE("where a program has asked for errors, one does not hide the datagrams behind it") {
    on_each_demultiplexer([]() -> task<> {
        datagram_socket s = datagram_socket::bind("udp:0:interface=127.0.0.1");
        datagram_socket other = datagram_socket::bind("udp:0:interface=127.0.0.1");
        datagram_socket gone = datagram_socket::bind("udp:0:interface=127.0.0.1");
        const bight::address nobody = gone.local();
        gone.close();
        const int on = 1;
        REQUIRE(::setsockopt(s.native_handle(), IPPROTO_IP, IP_RECVERR, &on, sizeof on) == 0);
        co_await s.send_to(nobody, "x");
        for (const char* text : {"one", "two"}) co_await other.send_to(s.local(), text);
        co_await bight::sleep_for(std::chrono::milliseconds(5));  // it is told of all that
        std::array<char, 10> memory{};
        std::array<bight::datagram_slot, 2> slots{};
        for (std::size_t i = 0; i < slots.size(); ++i) slots[i].memory = {memory.data() + 5 * i, 5};
        const auto error = co_await error_of(s.receive_many(slots));
        CHECK(error == std::errc::connection_refused);
        for (int i = 0; i < 2; ++i) {
            test::next_receives_only = 1;
            const auto got = co_await bight::try_with_timeout(s.receive_many(slots), std::chrono::seconds(5));
            CHECK(got == std::size_t{1});
        }
    });
}
