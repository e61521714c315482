// Messages: with addresses and flags. What only Unix sockets have of them is in unix_message_test.cpp.
#include "received_message.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

using bight::const_buffer;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::received_message;
using test::send_message_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// A UDP socket on 127.0.0.1.
struct udp {
    udp() : fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof where;
        REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&where), size) == 0);
        REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    }
    int fd;
    sockaddr_in where{};
};

}  // namespace

TEST_CASE("a datagram comes whole, with its sender's address, and each operation gets one") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    udp ours;
    udp theirs;
    auto& d = on.add(ours.fd);
    const auto send = [&](std::string_view text) {
        REQUIRE(::sendto(theirs.fd, text.data(), text.size(), 0,
                         reinterpret_cast<const sockaddr*>(&ours.where),
                         sizeof ours.where) == static_cast<ssize_t>(text.size()));
    };
    received_message first(d);
    received_message second(d);
    received_message third(d);
    on.start(first.op);
    on.start(second.op);
    on.start(third.op);
    on.turns();
    REQUIRE(first.op.completions == 0);
    on.cancel(second.op);
    send("one");
    send("");
    REQUIRE(on.until_completed(first.op));
    REQUIRE(on.until_completed(second.op));
    REQUIRE(on.until_completed(third.op));
    CHECK(first.text() == "one");
    CHECK(first.op.flags == 0);
    CHECK(first.op.address_size == sizeof(sockaddr_in));
    CHECK(first.from.sin_port == theirs.where.sin_port);
    CHECK(second.op.result == -ECANCELED);
    CHECK(third.op.result == 0);  // a datagram may be empty
    CHECK(third.op.address_size == sizeof(sockaddr_in));

    send("longer than what is there for it, by some bytes");
    on.start(first.op);
    REQUIRE(on.until_completed(first.op, 2));
    CHECK(first.op.result == static_cast<std::int64_t>(first.bytes.size()));
    CHECK((first.op.flags & MSG_TRUNC) != 0);
    send("peeked");
    first.op.asked_flags = MSG_PEEK;
    on.start(first.op);
    REQUIRE(on.until_completed(first.op, 3));
    first.op.asked_flags = 0;
    on.start(first.op);
    REQUIRE(on.until_completed(first.op, 4));
    CHECK(first.text() == "peeked");
    ::close(theirs.fd);
}

TEST_CASE("a datagram is sent to an address; one that is too long is refused") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    udp ours;
    udp theirs;
    auto& d = on.add(ours.fd);
    std::array<const_buffer, 2> pieces{const_buffer("two "), const_buffer("pieces")};
    send_message_probe op(d, operation_kind::send_message);
    op.pieces = pieces.data();
    op.piece_count = pieces.size();
    op.address = &theirs.where;
    op.address_size = sizeof theirs.where;
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 10);
    std::array<char, 32> got{};
    CHECK(::recv(theirs.fd, got.data(), got.size(), 0) == 10);
    CHECK(std::string(got.data(), 10) == "two pieces");
    const std::string large(100'000, 'x');
    pieces[0] = const_buffer(large);
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(test::with_errno(op.result) == -EMSGSIZE);
    ::close(theirs.fd);
}

TEST_CASE("a message on a stream that finds no room waits for it, in its line, and can be cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(test::pair_kind::unix_pair);
    const std::string text(10'000, 'x');
    const const_buffer piece(text);
    std::vector<std::unique_ptr<send_message_probe>> sends;
    for (int i = 0; i < 1000; ++i) {  // the socket holds far less
        auto& op =
            *sends.emplace_back(std::make_unique<send_message_probe>(c.ours, operation_kind::send_message));
        op.pieces = &piece;
        op.piece_count = 1;
        on.start(op);
    }
    on.turns();
    REQUIRE(sends.back()->completions == 0);
    for (std::size_t i = 0; i < sends.size(); i += 2) {
        if (sends[i]->completions == 0) on.cancel(*sends[i]);
    }
    std::size_t heard = 0;
    std::string part(65536, '\0');
    const auto hear = [&] {
        for (ssize_t got; (got = ::recv(c.theirs, part.data(), part.size(), MSG_DONTWAIT)) > 0;) {
            heard += static_cast<std::size_t>(got);
        }
    };
    REQUIRE(on.until([&] {
        hear();
        return sends.back()->completions > 0;
    }));
    std::size_t sent = 0;
    for (const auto& op : sends) {
        CHECK(op->completions == 1);
        CHECK((op->result > 0 || op->result == -ECANCELED));  // it may be the beginning
        if (op->result > 0) sent += static_cast<std::size_t>(op->result);
    }
    REQUIRE(on.until([&] {
        hear();
        return heard >= sent;
    }));
    CHECK(heard == sent);
}
