// Messages: with addresses, flags and control data.
#include "probes.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

using bight::const_buffer;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::receive_message_probe;
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

/// A message with memory for everything.
struct message {
    explicit message(test::probe_descriptor& d) : op(d, operation_kind::receive_message) { reset(); }
    void reset() {
        op.pieces = &piece;
        op.piece_count = 1;
        op.address = &from;
        op.address_room = sizeof from;
        op.control = control.data();
        op.control_room = control.size();
    }
    std::string text() const { return std::string(bytes.data(), static_cast<std::size_t>(op.result)); }

    std::array<char, 32> bytes{};
    mutable_buffer piece{bytes.data(), bytes.size()};
    sockaddr_in from{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
    receive_message_probe op;
};

/// Control data with one descriptor.
struct passed_descriptor {
    explicit passed_descriptor(int fd) {
        auto* const header = reinterpret_cast<cmsghdr*>(bytes.data());
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
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
    message first(d);
    message second(d);
    message third(d);
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

TEST_CASE("descriptors are passed with messages, close-on-exec; control data that does not fit is told") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    auto& sender = on.add(ends[0]);
    auto& receiver = on.add(ends[1]);
    int passed[2];
    REQUIRE(::pipe2(passed, O_CLOEXEC) == 0);
    const passed_descriptor control(passed[1]);
    const const_buffer piece("here");
    send_message_probe send(sender, operation_kind::send_message);
    send.pieces = &piece;
    send.piece_count = 1;
    send.control = control.bytes.data();
    send.control_size = control.bytes.size();
    message got(receiver);
    on.start(got.op);
    on.turns();
    on.start(send);
    REQUIRE(on.until_completed(send));
    CHECK(send.result == 4);
    REQUIRE(on.until_completed(got.op));
    CHECK(got.text() == "here");
    CHECK(got.op.address_size == 0);
    CHECK(got.op.flags == 0);
    REQUIRE(got.op.control_size >= CMSG_LEN(sizeof(int)));
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(reinterpret_cast<cmsghdr*>(got.control.data())), sizeof fd);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(::write(fd, "x", 1) == 1);
    ::close(fd);
    ::close(passed[0]);
    ::close(passed[1]);

    on.start(send);  // passed[1] is closed now
    REQUIRE(on.until_completed(send, 2));
    CHECK(test::with_errno(send.result) == -EBADF);
    const passed_descriptor standard(0);
    send.control = standard.bytes.data();
    got.op.control_room = 0;
    got.op.control = nullptr;
    on.start(send);
    on.start(got.op);
    REQUIRE(on.until_completed(got.op, 2));
    CHECK(got.text() == "here");
    CHECK((got.op.flags & MSG_CTRUNC) != 0);
}

TEST_CASE("a message that finds no room waits for it, in its line, and can be cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
    auto& d = on.add(ends[0]);
    const std::string text(1000, 'x');
    const const_buffer piece(text);
    std::vector<std::unique_ptr<send_message_probe>> sends;
    for (int i = 0; i < 600; ++i) {  // its queue is far shorter
        auto& op = *sends.emplace_back(std::make_unique<send_message_probe>(d, operation_kind::send_message));
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
    std::array<char, 2000> part;
    REQUIRE(on.until([&] {
        while (::recv(ends[1], part.data(), part.size(), MSG_DONTWAIT) > 0) ++heard;
        return sends.back()->completions > 0;
    }));
    while (::recv(ends[1], part.data(), part.size(), MSG_DONTWAIT) > 0) ++heard;
    std::size_t sent = 0;
    for (const auto& op : sends) {
        CHECK(op->completions == 1);
        CHECK((op->result == 1000 || op->result == -ECANCELED));
        sent += op->result == 1000;
    }
    CHECK(heard == sent);
    ::close(ends[1]);
}
