// Completion is the contract: each operation that was started ends exactly once, with its result, on every
// demultiplexer.
#include "probes.hpp"
#include "support/duplicates.hpp"

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

using bight::const_buffer;
using bight::mutable_buffer;
using test::connect_probe;
using test::demultiplexer_fixture;
using test::each_pair_kind;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::send_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

/// What a receive of either kind got.
std::string text_of(receive_probe& op) {
    if (op.result <= 0) return {};
    if (op.kind == operation_kind::receive) return op.data.to_string();
    return std::string(static_cast<const char*>(op.memory.data), static_cast<std::size_t>(op.result));
}

/// Memory for receive_into.
struct memory {
    std::array<char, 64> bytes{};
    mutable_buffer whole() { return mutable_buffer(bytes.data(), bytes.size()); }
};

operation_kind each_receive() { return GENERATE(operation_kind::receive, operation_kind::receive_into); }

void poll_twice(demultiplexer_fixture& on, test::connection& c) {
    plain_probe readable(c.ours, operation_kind::poll_read);
    for (int i = 1; i <= 2; ++i) {
        on.start(readable);
        REQUIRE(on.until_completed(readable, i));
        CHECK(readable.result == 0);
    }
}

}  // namespace

TEST_CASE("a receive gives what was there, what comes later, and the end") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, each_receive());
    memory m;
    op.memory = m.whole();

    c.say("first");
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(text_of(op) == "first");

    op.memory = m.whole();
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 1);
    c.say("second");
    REQUIRE(on.until_completed(op, 2));
    CHECK(text_of(op) == "second");

    c.hang_up();
    op.memory = m.whole();
    on.start(op);
    REQUIRE(on.until_completed(op, 3));
    CHECK(op.result == 0);
    CHECK(op.data.empty());

    op.memory = m.whole();
    on.start(op);  // the end stays
    REQUIRE(on.until_completed(op, 4));
    CHECK(op.result == 0);
    on.turns();
    CHECK(op.completions == 4);
}

TEST_CASE("both kinds of receive can take turns on one descriptor") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe chunks(c.ours, operation_kind::receive);
    receive_probe into(c.ours, operation_kind::receive_into);
    memory m;
    std::string got;
    c.say("0123456789");
    for (int i = 0; got.size() < 30; ++i) {
        REQUIRE(i < 100);
        receive_probe& op = i % 2 ? into : chunks;
        op.memory = mutable_buffer(m.bytes.data(), 3);
        const int before = op.completions;
        on.start(op);
        if (got.size() == 10 || got.size() == 20) {
            on.turns(2);
            c.say("0123456789");
        }
        REQUIRE(on.until_completed(op, before + 1));
        REQUIRE(op.result > 0);
        got += text_of(op);
    }
    CHECK(got == "012345678901234567890123456789");
}

TEST_CASE("a send takes all of its pieces, however slowly the peer reads") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    const std::string large(std::size_t{1} << 22, 'a');
    std::array<const_buffer, 4> pieces{const_buffer("head "), const_buffer(""), const_buffer(large),
                                       const_buffer(" tail")};
    send_probe op(c.ours, operation_kind::send);
    op.pieces = pieces.data();
    op.piece_count = pieces.size();
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);  // 4 MiB fit into no socket buffer
    std::string heard;
    const std::size_t all = 5 + large.size() + 5;
    REQUIRE(on.until([&] {
        std::array<char, 65536> part;
        for (ssize_t got; (got = ::recv(c.theirs, part.data(), part.size(), MSG_DONTWAIT)) > 0;) {
            heard.append(part.data(), static_cast<std::size_t>(got));
        }
        return heard.size() == all;
    }));
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
    CHECK(heard == "head " + large + " tail");
    on.turns();
    CHECK(op.completions == 1);
}

TEST_CASE("a send of nothing, and of more pieces than one call takes") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    send_probe op(c.ours, operation_kind::send);
    std::array<const_buffer, 2> nothing{};
    op.pieces = nothing.data();
    op.piece_count = nothing.size();
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);

    std::vector<const_buffer> many(3000, const_buffer("ab"));
    op.pieces = many.data();
    op.piece_count = many.size();
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(op.result == 0);
    std::string expected;
    for (int i = 0; i < 3000; ++i) expected += "ab";
    CHECK(c.hear(6000) == expected);
}

TEST_CASE("a send to a peer that is gone fails with EPIPE or ECONNRESET, and no signal") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    c.hang_up();
    send_probe op(c.ours, operation_kind::send);
    int result = 0;
    for (int i = 0; result == 0 && i < 1000; ++i) {  // TCP learns it from the answer to the first bytes
        const_buffer piece("x");
        op.pieces = &piece;
        op.piece_count = 1;
        on.start(op);
        REQUIRE(on.until_completed(op, i + 1));
        result = static_cast<int>(test::with_errno(op.result));
    }
    CHECK((result == -EPIPE || result == -ECONNRESET));
}

TEST_CASE("an accept gives a close-on-exec, non-blocking descriptor for each connection, once") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    sockaddr_in where;
    auto& listening = on.add(test::listen_on_loopback(where));
    plain_probe op(listening, operation_kind::accept);
    std::vector<int> peers{test::connect_to(where)};
    for (int i = 1; i <= 20; ++i) {
        const bool early = i % 2 == 1;
        if (!early) on.turns(1);
        on.start(op);
        if (!early) {
            on.turns(2);
            peers.push_back(test::connect_to(where));
            peers.push_back(test::connect_to(where));
        }
        REQUIRE(on.until_completed(op, i));
        REQUIRE(op.result >= 0);
        CHECK((::fcntl(op.handle(), F_GETFD) & FD_CLOEXEC) != 0);
#ifndef _WIN32  // where nobody can tell
        CHECK((::fcntl(op.handle(), F_GETFL) & O_NONBLOCK) != 0);
#endif
        ::close(op.handle());
    }
    on.turns();
    CHECK(op.completions == 20);
    for (const int peer : peers) ::close(peer);
}

TEST_CASE("a connect succeeds, or is refused") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    sockaddr_in where;
    const int listening = test::listen_on_loopback(where);
    const bool refused = GENERATE(false, true);
    if (refused) ::close(listening);
    auto& d = on.add(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect_probe op(d, operation_kind::connect);
    op.address = reinterpret_cast<const sockaddr*>(&where);
    op.address_size = sizeof where;
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(test::with_errno(op.result) == (refused ? -ECONNREFUSED : 0));
    on.turns();
    CHECK(op.completions == 1);
    if (!refused) {
        // The descriptor is as good as one that was accepted.
        const int peer = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
        receive_probe receive(d, operation_kind::receive);
        on.start(receive);
        on.turns(2);
        REQUIRE(::send(peer, "hello", 5, 0) == 5);
        REQUIRE(on.until_completed(receive));
        CHECK(text_of(receive) == "hello");
        ::close(peer);
        ::close(listening);
    }
}

TEST_CASE("poll_read and poll_write end when a call would not block, and take nothing") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    plain_probe readable(c.ours, operation_kind::poll_read);
    on.start(readable);
    on.turns();
    REQUIRE(readable.completions == 0);
    c.say("x");
    REQUIRE(on.until_completed(readable));
    CHECK(readable.result == 0);
    on.start(readable);  // it is still there
    REQUIRE(on.until_completed(readable, 2));

    const std::size_t filled = test::fill(c.ours.number());
    plain_probe writable(c.ours, operation_kind::poll_write);
    on.start(writable);
    on.turns();
    REQUIRE(writable.completions == 0);
    c.hear(filled);
    REQUIRE(on.until_completed(writable));
    CHECK(writable.result == 0);

    receive_probe receive(c.ours, operation_kind::receive);
    on.start(receive);
    REQUIRE(on.until_completed(receive));
    CHECK(text_of(receive) == "x");
    on.turns();
    CHECK(readable.completions == 2);
    CHECK(writable.completions == 1);
}

TEST_CASE("a poll_read after a receive sees what comes next, and leaves it to the next receive") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe receive(c.ours, operation_kind::receive);
    c.say("one");
    on.start(receive);
    REQUIRE(on.until_completed(receive));

    plain_probe readable(c.ours, operation_kind::poll_read);
    on.start(readable);
    on.turns();
    REQUIRE(readable.completions == 0);
    c.say("two");
    REQUIRE(on.until_completed(readable));
    CHECK(readable.result == 0);
    on.start(receive);
    REQUIRE(on.until_completed(receive, 2));
    CHECK(text_of(receive) == "two");
}

TEST_CASE("a poll_read does not swallow the end of the stream") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    receive_probe receive(c.ours, operation_kind::receive);
    c.say("one");
    on.start(receive);
    REQUIRE(on.until_completed(receive));
    c.hang_up();
    on.turns();
    poll_twice(on, c);
    on.start(receive);
    REQUIRE(on.until_completed(receive, 2));
    CHECK(receive.result == 0);
}

TEST_CASE("a poll_read does not swallow the error of the stream") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    receive_probe receive(c.ours, operation_kind::receive);
    c.say("one");
    on.start(receive);
    REQUIRE(on.until_completed(receive));
    c.reset();
    on.turns();
    poll_twice(on, c);
    on.start(receive);
    REQUIRE(on.until_completed(receive, 2));
    CHECK(test::with_errno(receive.result) == -ECONNRESET);
}

TEST_CASE("operations may be started again from their completion") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, each_receive());
    std::array<char, 1> byte{};
    op.memory = mutable_buffer(byte.data(), 1);
    std::string got;
    bool at_once = false;
    op.then = [&] {
        do {
            got += text_of(op);
            if (op.result <= 0) return;
            op.memory = mutable_buffer(byte.data(), 1);
            at_once = on.demux().start(op);
        } while (at_once);
    };
    REQUIRE_FALSE(on.demux().start(op));
    const std::string text = "what is read byte by byte";
    for (const char letter : text) {
        c.say(std::string_view(&letter, 1));
        on.turns(2);
    }
    c.hang_up();
    REQUIRE(on.until([&] { return got.size() == text.size() && !op.in_flight; }));
    CHECK(got == text);
}

TEST_CASE("reads and writes on one descriptor do not disturb each other") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    const std::size_t filled = test::fill(c.ours.number());
    receive_probe receive(c.ours, operation_kind::receive);
    send_probe send(c.ours, operation_kind::send);
    const_buffer piece("after");
    send.pieces = &piece;
    send.piece_count = 1;
    on.start(receive);
    on.start(send);
    on.turns();
    REQUIRE(receive.completions + send.completions == 0);
    c.say("x");
    REQUIRE(on.until_completed(receive));
    on.turns();
    CHECK(send.completions == 0);
    c.hear(filled);
    REQUIRE(on.until_completed(send));
    CHECK(c.hear(5) == "after");
    CHECK(receive.completions == 1);
}

TEST_CASE("cancelling what waits ends it once, and the next operation gets what comes") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, each_receive());
    memory m;
    op.memory = m.whole();
    on.start(op);
    const bool with_the_kernel = GENERATE(false, true);  // else it is cancelled before the kernel saw it
    if (with_the_kernel) on.turns();
    REQUIRE(op.completions == 0);
    on.cancel(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -ECANCELED);
    c.say("kept");
    on.turns();
    CHECK(op.completions == 1);
    op.memory = m.whole();
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(text_of(op) == "kept");
}

TEST_CASE(
    "an operation that the kernel has finished completes with its result, not with the cancel that came "
    "later") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, each_receive());
    memory m;
    op.memory = m.whole();
    on.start(op);
    on.turns();
    c.say("won");
    REQUIRE(on.until_queued(op));
    REQUIRE(op.completions == 0);
    CHECK_FALSE(on.demux().cancel(op));
    REQUIRE(on.until_completed(op));
    CHECK(text_of(op) == "won");
    on.turns();
    CHECK(op.completions == 1);
}

TEST_CASE("data and cancel in the same turn: whoever wins, the bytes are delivered once") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    const auto kind = each_receive();
    std::string got;
    std::string sent;
    memory m;
    for (int i = 0; i < 200; ++i) {
        receive_probe op(c.ours, kind);
        op.memory = m.whole();
        on.start(op);
        if (i % 3 == 0) on.turns(1);
        const std::string word = std::to_string(i) + " ";
        sent += word;
        c.say(word);
        if (i % 4 == 0 && op.in_flight) on.demux().wait(bight::duration::zero());
        if (op.in_flight) on.cancel(op);
        REQUIRE(on.until_completed(op));
        REQUIRE(op.completions == 1);
        REQUIRE((op.result > 0 || op.result == -ECANCELED));
        got += text_of(op);
    }
    receive_probe rest(c.ours, operation_kind::receive);
    for (int i = 1; got.size() < sent.size(); ++i) {
        on.start(rest);
        REQUIRE(on.until_completed(rest, i));
        got += text_of(rest);
    }
    CHECK(got == sent);
}

TEST_CASE("a queued operation whose data somebody else took waits again, or ends when it was cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    if (on.completes_by_itself()) return;  // there the kernel took the data with the event
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, operation_kind::receive);
    const bool cancel = GENERATE(false, true);
    on.start(op);
    on.turns();
    c.say("taken");
    REQUIRE(on.until_queued(op));
    std::array<char, 16> bytes;
    REQUIRE(::recv(c.ours.number(), bytes.data(), bytes.size(), 0) == 5);
    if (cancel) {
        CHECK_FALSE(on.demux().cancel(op));
        REQUIRE(on.until_completed(op));
        CHECK(op.result == -ECANCELED);
    } else {
        on.turns();
        CHECK(op.completions == 0);
        c.say("mine");
        REQUIRE(on.until_completed(op));
        CHECK(text_of(op) == "mine");
    }
    on.turns();
    CHECK(op.completions == 1);
}

TEST_CASE("a cancelled accept loses no connection") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    sockaddr_in where;
    auto& listening = on.add(test::listen_on_loopback(where));
    plain_probe op(listening, operation_kind::accept);
    std::vector<int> peers;
    int accepted = 0;
    for (int i = 0; i < 50; ++i) {
        const int before = op.completions;
        on.start(op);
        if (i % 2) on.turns(1);
        peers.push_back(test::connect_to(where));
        if (i % 3 == 0) on.demux().wait(bight::duration::zero());
        if (op.in_flight) on.cancel(op);
        REQUIRE(on.until_completed(op, before + 1));
        if (op.result >= 0) {
            ::close(op.handle());
            ++accepted;
        } else {
            CHECK(op.result == -ECANCELED);
        }
    }
    while (accepted < 50) {
        const int before = op.completions;
        on.start(op);
        REQUIRE(on.until_completed(op, before + 1));
        REQUIRE(op.result >= 0);
        ::close(op.handle());
        ++accepted;
    }
    for (const int peer : peers) ::close(peer);
}

TEST_CASE("a send that waits can be cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    test::fill(c.ours.number());
    send_probe op(c.ours, operation_kind::send);
    const_buffer piece("never sent");
    op.pieces = &piece;
    op.piece_count = 1;
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);
    on.cancel(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -ECANCELED);
    on.turns();
    CHECK(op.completions == 1);
}

TEST_CASE("a connect that waits can be cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    sockaddr_in where;
    const int listening = test::listen_on_loopback(where, 0);
    const int first = test::connect_to(where);  // the backlog is full: the next one gets no answer
    auto& d = on.add(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect_probe op(d, operation_kind::connect);
    op.address = reinterpret_cast<const sockaddr*>(&where);
    op.address_size = sizeof where;
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);
    on.cancel(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -ECANCELED);
    on.turns();
    CHECK(op.completions == 1);
    ::close(first);
    ::close(listening);
}

TEST_CASE("detaching ends what is pending with ECANCELED, once") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    test::fill(c.ours.number());
    receive_probe receive(c.ours, each_receive());
    memory m;
    receive.memory = m.whole();
    send_probe send(c.ours, operation_kind::send);
    const_buffer piece("x");
    send.pieces = &piece;
    send.piece_count = 1;
    on.start(receive);
    on.start(send);
    if (GENERATE(false, true)) on.turns();
    const bool close_it = GENERATE(false, true);
    const int fd = c.ours.number();
    on.demux().detach(c.ours, close_it);
    CHECK(c.ours.demux == nullptr);
    CHECK(c.ours.fd == -1);
    CHECK(is_open(fd) == !close_it);
    CHECK(receive.completions + send.completions == 0);  // from the loop, not from within detach
    REQUIRE(on.until_completed(receive));
    REQUIRE(on.until_completed(send));
    CHECK(receive.result == -ECANCELED);
    CHECK(send.result == -ECANCELED);
    on.turns();
    CHECK(receive.completions == 1);
    CHECK(send.completions == 1);
    CHECK(on.until([&] { return c.ours.kept == 0; }));
    if (!close_it) ::close(fd);
}

TEST_CASE("the peer hears of a detach that closes at once, even when a receive was pending") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe receive(c.ours, each_receive());
    memory m;
    receive.memory = m.whole();
    on.start(receive);
    on.turns();
    on.demux().detach(c.ours, true);
    char byte = 0;
    on.turns(3);
    CHECK(::recv(c.theirs, &byte, 1, MSG_DONTWAIT) == 0);
    CHECK(on.until_completed(receive));
}

TEST_CASE("detaching what is queued completes it once") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, each_receive());
    memory m;
    op.memory = m.whole();
    on.start(op);
    on.turns();
    c.say("late");
    REQUIRE(on.until_queued(op));
    on.demux().detach(c.ours, true);
    REQUIRE(on.until_completed(op));
    CHECK((op.result == -ECANCELED || text_of(op) == "late"));
    op.data.reset();
    on.turns();
    CHECK(op.completions == 1);
}

TEST_CASE("an event for a descriptor number that was closed and reused is not delivered to its old owner") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& old = on.connect(each_pair_kind());
    receive_probe stale(old.ours, operation_kind::receive);
    on.start(stale);
    on.turns();
    const int number = old.ours.number();
    old.say("for the old one");
    REQUIRE(on.until_queued(stale));
    on.demux().detach(old.ours, true);

    int ends[2];
    test::socket_pair_as(number, ends);
    auto& fresh = on.add(number);
    receive_probe op(fresh, operation_kind::receive);
    on.start(op);
    REQUIRE(::send(ends[1], "for the new one", 15, 0) == 15);
    REQUIRE(on.until_completed(op));
    REQUIRE(on.until_completed(stale));
    CHECK(text_of(op) == "for the new one");
    CHECK((stale.result == -ECANCELED || text_of(stale) == "for the old one"));
    stale.data.reset();
    on.turns();
    CHECK(op.completions == 1);
    CHECK(stale.completions == 1);
    ::close(ends[1]);
}

TEST_CASE("a descriptor that cannot be attached is left as it was") {
    // io_uring takes every descriptor.
    const auto kind = GENERATE(filter([](const auto k) { return k != bight::demultiplexer_kind::io_uring; },
                                      from_range(test::demultiplexers())));
    demultiplexer_fixture on(kind);
    INFO(on.name());
    test::probe_descriptor d;
    d.fd = 1 << 20;  // not open
    CHECK_THROWS_AS(on.demux().attach(d), std::system_error);
    CHECK(d.demux == nullptr);
    CHECK(on.demux().count() == 0);
}
