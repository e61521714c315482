// Messages of Unix sockets: descriptors in their control data, and datagrams that wait for room.
#include "received_message.hpp"

#include <array>
#include <cerrno>
#include <cstring>
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
    received_message got(receiver);
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
