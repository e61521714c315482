// What the kernel says of a descriptor, and what a demultiplexer makes of it: unread bytes, ends and errors,
// urgent data, descriptors closed by somebody else, and many of them.
#include "probes.hpp"
#include "support/duplicates.hpp"
#include "support/enough_descriptors.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <string>

using bight::demultiplexer_kind;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::each_pair_kind;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// Receives until the end or an error: the bytes, and what ended it in `op.result`.
std::string receive_all(demultiplexer_fixture& on, receive_probe& op, mutable_buffer memory) {
    std::string got;
    for (;;) {
        const int before = op.completions;
        op.memory = memory;
        on.start(op);
        REQUIRE(on.until_completed(op, before + 1));
        if (op.result <= 0) return got;
        got.append(static_cast<const char*>(memory.data), static_cast<std::size_t>(op.result));
    }
}

}  // namespace

TEST_CASE("bytes that were left unread are reported again") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, operation_kind::receive_into);
    std::array<char, 1> byte;
    std::string got;
    c.say("abc");
    for (int i = 1; i <= 9; ++i) {
        op.memory = mutable_buffer(byte.data(), 1);
        on.start(op);
        REQUIRE(on.until_completed(op, i));
        REQUIRE(op.result == 1);
        got += byte[0];
        on.turns(i % 3);
        if (i == 2) c.say("def");
        if (i == 6) c.say("ghi");
    }
    CHECK(got == "abcdefghi");
    on.start(op);
    on.turns();
    CHECK(op.completions == 9);
    on.end(op);
}

TEST_CASE("a chunk that stays in the socket because nobody reads is there when somebody does") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, operation_kind::receive);
    std::string sent;
    std::string got;
    for (int i = 0; i < 20; ++i) {  // several blocks of every demultiplexer
        const std::string block(5000, static_cast<char>('a' + i));
        sent += block;
        c.say(block);
        on.turns(1);
        if (i == 0) {
            on.start(op);
            REQUIRE(on.until_completed(op));
            got += op.data.to_string();
        }
    }
    while (got.size() < sent.size()) {
        const int before = op.completions;
        on.start(op);
        REQUIRE(on.until_completed(op, before + 1));
        REQUIRE(op.result > 0);
        got += op.data.to_string();
    }
    CHECK(got == sent);
}

TEST_CASE("a duplicate of a descriptor that is detached receives nothing for it, and is undisturbed") {
    // Windows has one selection of events for a socket and its duplicates, that of the last of them
    // (learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaduplicatesocketw).
    const auto kind = GENERATE(filter([](const auto k) { return k != demultiplexer_kind::wfmo; },
                                      from_range(test::demultiplexers())));
    demultiplexer_fixture on(kind);
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    auto& copy = on.add(test::duplicate(c.ours.number()));
    receive_probe first(c.ours, operation_kind::receive);
    on.start(first);
    on.turns();
    on.demux().detach(c.ours, true);
    REQUIRE(on.until_completed(first));
    CHECK(first.result == -ECANCELED);
    receive_probe second(copy, operation_kind::receive);
    on.start(second);
    on.turns();
    c.say("for the copy");
    REQUIRE(on.until_completed(second));
    CHECK(second.data.to_string() == "for the copy");
    on.turns();
    CHECK(first.completions == 1);
}

TEST_CASE("data and then the end: both are delivered, in this order") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    receive_probe op(c.ours, operation_kind::receive_into);
    std::array<char, 4> memory;
    const bool waiting = GENERATE(false, true);
    const bool half = GENERATE(false, true);
    if (waiting) {
        receive_probe first(c.ours, operation_kind::receive);
        on.start(first);
        on.turns();
        c.say("first ");
        REQUIRE(on.until_completed(first));
    }
    c.say("and last words");
    if (half) {
        ::shutdown(c.theirs, SHUT_WR);
    } else {
        c.hang_up();
    }
    CHECK(receive_all(on, op, mutable_buffer(memory.data(), memory.size())) == "and last words");
    CHECK(op.result == 0);
}

TEST_CASE("a reset ends a poll that waits for room") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    test::fill(c.ours.number());
    plain_probe writable(c.ours, operation_kind::poll_write);
    on.start(writable);
    on.turns();
    REQUIRE(writable.completions == 0);
    c.reset();
    REQUIRE(on.until_completed(writable));
    CHECK(writable.result == 0);
    on.turns();
    CHECK(writable.completions == 1);
}

TEST_CASE("a reset ends a receive and a poll that wait") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    receive_probe receive(c.ours, operation_kind::receive);
    test::fill(c.ours.number());
    plain_probe writable(c.ours, operation_kind::poll_write);
    on.start(receive);
    on.start(writable);
    on.turns();
    REQUIRE(receive.completions == 0);
    c.reset();
    REQUIRE(on.until_completed(receive));
    REQUIRE(on.until_completed(writable));
    CHECK(test::with_errno(receive.result) == -ECONNRESET);
    CHECK(writable.result == 0);
    on.turns();
    CHECK(receive.completions == 1);
    CHECK(writable.completions == 1);
}

TEST_CASE("a reset that comes while nobody reads is told once, and then there is the end") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    receive_probe op(c.ours, operation_kind::receive);
    c.say("x");
    on.start(op);
    REQUIRE(on.until_completed(op));
    op.data.reset();
    c.reset();
    on.turns();
    on.start(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(test::with_errno(op.result) == -ECONNRESET);
    on.start(op);
    REQUIRE(on.until_completed(op, 3));
    const bool told_again = on.name() == "iocp" || on.name() == "wfmo";  // Windows tells every call
    CHECK((op.result == 0 || (told_again && test::with_errno(op.result) == -ECONNRESET)));
}

TEST_CASE("a peer that has gone does not keep the loop awake while nobody waits for it") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(each_pair_kind());
    auto& other = on.connect(pair_kind::unix_pair);
    receive_probe once(c.ours, operation_kind::receive);
    c.say("x");
    on.start(once);
    REQUIRE(on.until_completed(once));
    c.hang_up();
    on.turns();
    receive_probe op(other.ours, operation_kind::receive);  // only the other connection is awaited
    on.start(op);
    on.turns();
    CHECK(on.sleeps());
    CHECK(op.completions == 0);
    other.say("y");
    CHECK(on.until_completed(op));
}

TEST_CASE("urgent data neither stops a reader nor keeps the loop awake") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    receive_probe op(c.ours, operation_kind::receive);
    std::string got;
    const auto read_until = [&](std::string_view expected) {
        while (got.size() < expected.size()) {
            const int before = op.completions;
            on.start(op);
            REQUIRE(on.until_completed(op, before + 1));
            REQUIRE(op.result > 0);
            got += op.data.to_string();
        }
        CHECK(got == expected);
    };
    c.say("before");
    c.say("!", MSG_OOB);
    c.say("after");
    read_until("beforeafter");

    const int before = op.completions;
    on.start(op);
    on.turns();
    c.say("!", MSG_OOB);
    on.turns();
    REQUIRE(op.completions == before);
    CHECK(on.sleeps());
    c.say("end");
    REQUIRE(on.until_completed(op, before + 1));
    CHECK(op.data.to_string() == "end");

    // A short read that stops at the mark does not mean that the socket is empty.
    op.data.reset();
    got.clear();
    c.say("abc");
    c.say("!", MSG_OOB);
    c.say("def");
    read_until("abcdef");
}

TEST_CASE("a descriptor that somebody else closed gives one EBADF, and the loop sleeps again") {
    const auto kind = GENERATE(demultiplexer_kind::poll, demultiplexer_kind::select);
    demultiplexer_fixture on(kind);
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    auto& other = on.connect(pair_kind::unix_pair);
    receive_probe lost(c.ours, operation_kind::receive);
    receive_probe well(other.ours, operation_kind::receive);
    on.start(lost);
    on.start(well);
    on.turns();
    ::close(c.ours.number());
    REQUIRE(on.until_completed(lost));
    CHECK(test::with_errno(lost.result) == -EBADF);
    CHECK(well.completions == 0);
    CHECK(on.sleeps());
    other.say("well");
    REQUIRE(on.until_completed(well));
    CHECK(well.data.to_string() == "well");
    CHECK(lost.completions == 1);
    on.demux().detach(c.ours, false);
}

TEST_CASE("an operation on a descriptor that is closed already fails with EBADF") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    ::close(c.ours.number());
    receive_probe op(c.ours, operation_kind::receive);
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(test::says_closed(op.result));
    plain_probe poll(c.ours, operation_kind::poll_write);
    on.start(poll);
    REQUIRE(on.until_completed(poll));
    CHECK(test::says_closed(poll.result));
    on.demux().detach(c.ours, false);
}

TEST_CASE("300 descriptors that are ready at once are all served") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    // libkqueue loses edges when more than 256 descriptors are ready at once.
    const std::size_t count = on.name() == "kqueue" ? 200 : 300;
    const test::enough_descriptors limit(1000);
    REQUIRE(limit.there());
    std::vector<test::connection*> all;
    std::vector<std::unique_ptr<receive_probe>> waiting;
    for (std::size_t i = 0; i < count; ++i) {
        auto& c = *all.emplace_back(&on.connect(pair_kind::unix_pair));
        on.start(*waiting.emplace_back(std::make_unique<receive_probe>(c.ours, operation_kind::receive)));
    }
    on.turns();
    for (int round = 1; round <= 2; ++round) {
        for (auto* c : all) c->say("x");
        CHECK(on.until([&] {
            for (const auto& op : waiting) {
                if (op->completions < round) return false;
            }
            return true;
        }));
        for (const auto& op : waiting) {
            CHECK(op->result == 1);
            op->data.reset();
            on.start(*op);
        }
    }
    on.turns();
    for (const auto& op : waiting) {
        CHECK(op->completions == 2);
        on.end(*op);
    }
}

TEST_CASE("poll and select warn once when they hold more than 1000 descriptors") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const test::enough_descriptors limit(1200);
    REQUIRE(limit.there());
    demultiplexer_fixture on(kind);
    INFO(on.name());
    // 1001 attached, of which select's must be below 1024.
    const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 1000; ++i) on.add(test::duplicate(listening));
    CHECK(on.fixture().take_log().empty());
    const bool warns = kind == demultiplexer_kind::poll || kind == demultiplexer_kind::select;
    auto& last = on.add(test::duplicate(listening));
    const auto messages = on.fixture().take_log();
    REQUIRE(messages.size() == (warns ? 1 : 0));
    if (warns) {
        CHECK_THAT(messages[0], Catch::Matchers::StartsWith(on.name() + " holds more than 1000 descriptors"));
    }
    on.demux().detach(last, true);
    on.add(test::duplicate(listening));
    CHECK(on.fixture().take_log().empty());
    ::close(listening);
}

TEST_CASE("select refuses a descriptor of 1024 or more, and leaves it as it was") {
    const test::enough_descriptors limit(1200);
    REQUIRE(limit.there());
    demultiplexer_fixture on(demultiplexer_kind::select);
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const int highest = test::duplicate_as(ends[0], 1023);
    const int high = test::duplicate_as(ends[0], 1024);
    REQUIRE(highest == 1023);
    REQUIRE(high >= 1024);
    {
        test::probe_descriptor d;
        d.fd = high;
        CHECK_THROWS_WITH(on.demux().attach(d),
                          Catch::Contains("select cannot watch fd " + std::to_string(high)) &&
                              Catch::Contains("below 1024"));
        CHECK(d.demux == nullptr);
        CHECK(d.fd == high);
        CHECK((::fcntl(high, F_GETFL) & O_NONBLOCK) == 0);
    }
    auto& d = on.add(highest);
    receive_probe op(d, operation_kind::receive);
    on.start(op);
    on.turns();
    REQUIRE(::send(ends[1], "x", 1, 0) == 1);
    CHECK(on.until_completed(op));
    ::close(high);
    ::close(ends[0]);
    ::close(ends[1]);
}
