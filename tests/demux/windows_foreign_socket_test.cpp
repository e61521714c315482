// Sockets that belong to another completion port already: iocp polls them, and the same operations work.
#include "probes.hpp"

#include <windows.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

using bight::const_buffer;
using bight::mutable_buffer;
using test::connect_probe;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::send_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// A completion port of somebody else's, on which nothing may arrive of what we do.
class foreign_port {
  public:
    foreign_port() : port_(::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1)) { REQUIRE(port_); }
    foreign_port(const foreign_port&) = delete;
    foreign_port& operator=(const foreign_port&) = delete;
    ~foreign_port() {
        DWORD size = 0;
        ULONG_PTR key = 0;
        OVERLAPPED* packet = nullptr;
        CHECK_FALSE(::GetQueuedCompletionStatus(port_, &size, &key, &packet, 0));
        CHECK(packet == nullptr);
        ::CloseHandle(port_);
    }
    int take(int fd) const {
        const auto handle = reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd));
        REQUIRE(::CreateIoCompletionPort(handle, port_, 7, 0) == port_);
        return fd;
    }

  private:
    HANDLE port_;
};

/// A connection of which one end is of the other port, and attached.
struct foreign_connection {
    foreign_connection(demultiplexer_fixture& on, const foreign_port& port) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ours = &on.add(port.take(ends[0]));
        theirs = ends[1];
    }
    foreign_connection(const foreign_connection&) = delete;
    foreign_connection& operator=(const foreign_connection&) = delete;
    ~foreign_connection() {
        if (theirs >= 0) ::close(theirs);
    }
    void say(const std::string& text) const {
        REQUIRE(::send(theirs, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }
    std::string hear(std::size_t count) const {
        std::string text(count, '\0');
        REQUIRE(::recv(theirs, text.data(), count, MSG_WAITALL) == static_cast<ssize_t>(count));
        return text;
    }

    test::probe_descriptor* ours = nullptr;
    int theirs = -1;
};

}  // namespace

TEST_CASE("a socket of another port is received from, until its peer has ended") {
    const foreign_port port;
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    foreign_connection c(on, port);
    receive_probe chunk(*c.ours, operation_kind::receive);
    receive_probe into(*c.ours, operation_kind::receive_into);
    std::array<char, 16> memory{};
    for (int round = 1; round <= 3; ++round) {
        const bool waits = round > 1;
        if (!waits) c.say("there already");
        on.start(chunk);
        if (waits) {
            on.turns();
            REQUIRE(chunk.completions == round - 1);
            c.say("there already");
        }
        REQUIRE(on.until_completed(chunk, round));
        CHECK(chunk.data.to_string() == "there already");
        chunk.data.reset();
        into.memory = mutable_buffer(memory.data(), memory.size());
        on.start(into);
        on.turns();
        REQUIRE(into.completions == round - 1);
        c.say("later");
        REQUIRE(on.until_completed(into, round));
        CHECK(std::string(memory.data(), static_cast<std::size_t>(into.result)) == "later");
    }
    on.start(chunk);
    on.turns();
    REQUIRE(::shutdown(c.theirs, SHUT_WR) == 0);
    REQUIRE(on.until_completed(chunk, 4));
    CHECK(chunk.result == 0);
}

TEST_CASE("a socket of another port is sent to, and waits for room") {
    const foreign_port port;
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    foreign_connection c(on, port);
    const std::string text(std::size_t{4} << 20, 'x');
    const_buffer piece(text);
    send_probe op(*c.ours, operation_kind::send);
    op.pieces = &piece;
    op.piece_count = 1;
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);
    std::size_t heard = 0;
    std::string part(65536, '\0');
    REQUIRE(on.until([&] {
        for (ssize_t got; (got = ::recv(c.theirs, part.data(), part.size(), MSG_DONTWAIT)) > 0;) {
            heard += static_cast<std::size_t>(got);
        }
        return heard == text.size();
    }));
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
}

TEST_CASE("a poll of a socket of another port ends with its event, by a cancel, or when it is detached") {
    const foreign_port port;
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    foreign_connection c(on, port);
    plain_probe readable(*c.ours, operation_kind::poll_read);
    plain_probe writable(*c.ours, operation_kind::poll_write);
    on.start(readable);
    on.start(writable);
    REQUIRE(on.until_completed(writable));
    CHECK(writable.result == 0);
    CHECK(readable.completions == 0);
    c.say("x");
    REQUIRE(on.until_completed(readable));
    CHECK(readable.result == 0);
    char byte = 0;
    REQUIRE(::recv(c.ours->number(), &byte, 1, 0) == 1);

    on.start(readable);
    on.turns();
    on.cancel(readable);
    REQUIRE(on.until_completed(readable, 2));
    CHECK(readable.result == -ECANCELED);

    on.start(readable);
    on.turns();
    on.demux().detach(*c.ours, true);
    REQUIRE(on.until_completed(readable, 3));
    CHECK(readable.result == -ECANCELED);
}

TEST_CASE("sockets of another port accept and connect") {
    const foreign_port port;
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    sockaddr_in where{};
    auto& listening = on.add(port.take(test::listen_on_loopback(where)));
    auto& client = on.add(port.take(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    plain_probe accept(listening, operation_kind::accept);
    on.start(accept);
    on.turns();
    REQUIRE(accept.completions == 0);
    connect_probe connect(client, operation_kind::connect);
    connect.address = reinterpret_cast<const sockaddr*>(&where);
    connect.address_size = sizeof where;
    on.start(connect);
    REQUIRE(on.until_completed(connect));
    CHECK(connect.result == 0);
    REQUIRE(on.until_completed(accept));
    REQUIRE(accept.result >= 0);

    auto& server = on.add(accept.handle());
    receive_probe receive(server, operation_kind::receive);
    on.start(receive);
    on.turns();
    const_buffer piece("across");
    send_probe send(client, operation_kind::send);
    send.pieces = &piece;
    send.piece_count = 1;
    on.start(send);
    REQUIRE(on.until_completed(send));
    REQUIRE(on.until_completed(receive));
    CHECK(receive.data.to_string() == "across");
}

TEST_CASE("a connect of a socket of another port is refused where nobody listens") {
    const foreign_port port;
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    sockaddr_in where{};
    ::close(test::listen_on_loopback(where));
    auto& d = on.add(port.take(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    connect_probe op(d, operation_kind::connect);
    op.address = reinterpret_cast<const sockaddr*>(&where);
    op.address_size = sizeof where;
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(test::with_errno(op.result) == -ECONNREFUSED);
}
