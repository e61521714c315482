// What the demultiplexers that wait for readiness keep of each descriptor: what it is watched for, and no
// longer.
#include "probes.hpp"
#include "support/duplicates.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

using bight::demultiplexer_kind;
using test::connect_probe;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::send_probe;

namespace {

std::vector<demultiplexer_kind> readiness_kinds() {
    return test::those_that_work({demultiplexer_kind::epoll, demultiplexer_kind::poll,
                                  demultiplexer_kind::select, demultiplexer_kind::wfmo});
}

}  // namespace

TEST_CASE("what a descriptor was watched for goes with it: its number may be another's at once") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool writes = GENERATE(true, false);
    CAPTURE(kind, writes);
    demultiplexer_fixture on(kind);
    auto& c = on.connect(pair_kind::unix_pair);
    auto& other = on.connect(pair_kind::unix_pair);  // above it, so that its number stays in range
    test::fill(c.ours.number());
    std::string text = "late";
    bight::const_buffer piece(text);
    send_probe send(c.ours, operation_kind::send);
    send.pieces = &piece;
    send.piece_count = 1;
    receive_probe read(c.ours, operation_kind::receive);
    if (writes) {
        on.start(send);
    } else {
        on.start(read);
    }
    on.turns();
    const int number = c.ours.number();
    on.demux().detach(c.ours, true);
    on.turns();
    CHECK(send.completions + read.completions == 1);

    // It may always be written to, and read from: a loop that still watches it never sleeps.
    int ends[2];
    test::socket_pair_as(number, ends);
    REQUIRE(::send(ends[1], "x", 1, 0) == 1);
    receive_probe waits(other.ours, operation_kind::receive);
    on.start(waits);
    on.turns();
    CHECK(on.sleeps());
    other.say("y");
    CHECK(on.until_completed(waits));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("nobody is watched whose operation was done, cancelled or detached") {
    demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())));
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    auto& d = on.connect(pair_kind::unix_pair);
    auto& e = on.connect(pair_kind::unix_pair);
    plain_probe one(c.ours, operation_kind::poll_read);
    plain_probe two(d.ours, operation_kind::poll_read);
    plain_probe three(e.ours, operation_kind::poll_read);
    on.start(one);
    on.start(two);
    on.start(three);
    on.turns();
    c.say("x");  // which stays in the socket
    REQUIRE(on.until_completed(one));
    CHECK(on.sleeps());
    on.cancel(two);
    REQUIRE(on.until_completed(two));
    d.say("x");
    CHECK(on.sleeps());
    // The entries of those that have gone are others' now.
    e.say("x");
    REQUIRE(on.until_completed(three));
    CHECK(three.result == 0);
    CHECK(on.sleeps());

    auto& full = on.connect(pair_kind::unix_pair);
    const std::size_t filled = test::fill(full.ours.number());
    plain_probe writes(full.ours, operation_kind::poll_write);
    on.start(writes);
    on.turns();
    REQUIRE(writes.completions == 0);
    on.end(writes);
    full.hear(filled);  // there is room, and nobody waits for it
    CHECK(on.sleeps());
}

TEST_CASE("many that become ready at once are told in one look, and each once") {
    demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())));
    INFO(on.name());
    constexpr std::size_t count = 20;
    std::vector<test::connection*> all;
    std::vector<std::unique_ptr<receive_probe>> reads;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(&on.connect(pair_kind::unix_pair));
        reads.push_back(std::make_unique<receive_probe>(all.back()->ours, operation_kind::receive));
        on.start(*reads.back());
    }
    on.turns();
    for (const auto* c : all) c->say("x");
    on.reactor().run_once(std::chrono::seconds(20));
    on.reactor().run_once();
    for (const auto& read : reads) {
        CHECK(read->completions == 1);
        read->data.reset();
    }
}

TEST_CASE("a connect that an event from before it wakes goes on waiting") {
    const auto kind = GENERATE(from_range(readiness_kinds()));
    CAPTURE(kind);
    demultiplexer_fixture on(kind);
    // With its backlog full, a listener does not answer: one connection more than it asked for fits.
    sockaddr_in where{};
    const int listening = test::listen_on_loopback(where, 0);
    const int first = test::connect_to(where);
    auto& d = on.add(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect_probe op(d, operation_kind::connect);
    op.address = reinterpret_cast<const sockaddr*>(&where);
    op.address_size = sizeof where;
    on.start(op);
    REQUIRE(op.completions == 0);
    on.turns();
    d.may_write = true;  // as such an event leaves it
    bight::detail::reactor_access::schedule(on.reactor(), op);
    on.turns();
    CHECK(op.completions == 0);
    CHECK(on.sleeps());
    ::close(listening);
    on.end(op);
    ::close(first);
}

TEST_CASE("after a connect the first write is made at once") {
    const auto kind = GENERATE(from_range(readiness_kinds()));
    CAPTURE(kind);
    demultiplexer_fixture on(kind);
    sockaddr_in where{};
    const int listening = test::listen_on_loopback(where);
    auto& d = on.add(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect_probe op(d, operation_kind::connect);
    op.address = reinterpret_cast<const sockaddr*>(&where);
    op.address_size = sizeof where;
    on.start(op);
    REQUIRE(on.until_completed(op));
    REQUIRE(op.result == 0);
    std::string text = "hello";
    bight::const_buffer piece(text);
    send_probe send(d, operation_kind::send);
    send.pieces = &piece;
    send.piece_count = 1;
    on.start(send);
    CHECK(send.completions == 1);
    CHECK(send.result == 0);
    on.end(send);
    ::close(listening);
}

TEST_CASE("a read that is shorter than it could be has emptied a TCP socket, and no call is made to see it") {
    const auto kind = GENERATE(from_range(readiness_kinds()));
    CAPTURE(kind);
    demultiplexer_fixture on(kind);
    for (const auto which : {pair_kind::tcp, pair_kind::unix_pair}) {
        auto& c = on.connect(which);
        c.say("x");
        receive_probe op(c.ours, operation_kind::receive);
        on.start(op);
        REQUIRE(on.until_completed(op));
        CHECK(op.result == 1);
        CHECK(c.ours.may_read == (which == pair_kind::unix_pair));  // which has messages' borders
        op.data.reset();
    }
}

TEST_CASE("a send that was cancelled before its first byte has not begun") {
    demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())));
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    const std::size_t filled = test::fill(c.ours.number());
    std::string text = "late";
    for (const bool room : {false, true}) {
        CAPTURE(room);
        if (room) c.hear(filled);
        bight::const_buffer piece(text);
        send_probe send(c.ours, operation_kind::send);
        send.pieces = &piece;
        send.piece_count = 1;
        on.start(send);
        if (!room) {
            on.turns();
            REQUIRE(send.completions == 0);
            on.end(send);
        }
        REQUIRE(on.until_completed(send));
        CHECK(send.begun == room);
    }
}
