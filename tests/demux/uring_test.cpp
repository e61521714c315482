// What only io_uring can get wrong: full queues, cancels and their completions, multishot operations, and the
// end of the ring.
#include "busy_kernel.hpp"
#include "probes.hpp"
#include "ring_options.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

using bight::demultiplexer_kind;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::with_entries;

TEST_CASE("a full submission queue takes every operation and every cancel") {
    test::need(demultiplexer_kind::io_uring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(4));
    constexpr int count = 300;
    const bool cancel_at_once = GENERATE(false, true);
    std::vector<test::connection*> all;
    std::vector<std::unique_ptr<receive_probe>> reads;
    std::vector<std::unique_ptr<plain_probe>> polls;
    std::array<char, 8> memory[count];
    for (int i = 0; i < count; ++i) {
        auto& c = *all.emplace_back(&on.connect(pair_kind::unix_pair));
        test::fill(c.ours.fd);
        auto& read = *reads.emplace_back(std::make_unique<receive_probe>(
            c.ours, i % 2 ? operation_kind::receive : operation_kind::receive_into));
        read.memory = mutable_buffer(memory[i].data(), memory[i].size());
        on.start(read);
        on.start(*polls.emplace_back(std::make_unique<plain_probe>(c.ours, operation_kind::poll_write)));
    }
    if (!cancel_at_once) on.turns();
    for (int i = 0; i < count; i += 2) {
        on.cancel(*reads[static_cast<std::size_t>(i)]);
        on.cancel(*polls[static_cast<std::size_t>(i)]);
    }
    for (std::size_t i = 0; i < count; i += 2) {
        REQUIRE(on.until_completed(*reads[i]));
        REQUIRE(on.until_completed(*polls[i]));
        CHECK(reads[i]->result == -ECANCELED);
        CHECK(polls[i]->result == -ECANCELED);
    }
    for (std::size_t i = 1; i < count; i += 2) {
        all[i]->say("x");
        CHECK(polls[i]->completions == 0);
    }
    for (std::size_t i = 1; i < count; i += 2) {
        REQUIRE(on.until_completed(*reads[i]));
        CHECK(reads[i]->result == 1);
        on.end(*polls[i]);
    }
    on.turns();
    for (std::size_t i = 0; i < count; ++i) {
        CHECK(reads[i]->completions == 1);
        CHECK(polls[i]->completions == 1);
        reads[i]->data.reset();
    }
}

TEST_CASE("more completions than the completion queue holds lose nothing") {
    test::need(demultiplexer_kind::io_uring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(4));
    auto& c = on.connect(pair_kind::unix_pair);
    auto& other = on.connect(pair_kind::unix_pair);
    std::array<char, 8> memory;
    receive_probe op(c.ours, operation_kind::receive_into);
    op.memory = mutable_buffer(memory.data(), memory.size());
    receive_probe witness(other.ours, operation_kind::receive_into);
    std::array<char, 8> other_memory;
    witness.memory = mutable_buffer(other_memory.data(), other_memory.size());
    on.start(op);
    on.start(witness);
    // Each cancel is a completion of its own, and 16,384 of them fit.
    for (int i = 0; i < 20000; ++i) CHECK_FALSE(on.demux().cancel(op));
    other.say("here");
    REQUIRE(on.until_completed(op));
    REQUIRE(on.until_completed(witness));
    CHECK(op.result == -ECANCELED);
    CHECK(witness.result == 4);
    CHECK(on.until([&] { return on.demux().idle(); }));
    CHECK(op.completions == 1);
    CHECK(witness.completions == 1);
}

TEST_CASE("a late cancel does not reach the next operation in the same place") {
    test::need(demultiplexer_kind::io_uring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(GENERATE(4U, 256U)));
    auto& c = on.connect(pair_kind::unix_pair);
    std::array<char, 8> memory;
    receive_probe op(c.ours, operation_kind::receive_into);
    for (int i = 0; i < 100; ++i) {
        // The kernel has completed it, but nobody has looked: the cancel comes too late.
        const int before = op.completions;
        op.memory = mutable_buffer(memory.data(), memory.size());
        on.start(op);
        on.turns(2);
        REQUIRE(op.completions == before);
        c.say("a");
        on.cancel(op);
        bool restarted = false;
        op.then = [&] {
            CHECK((op.result == 1 || op.result == -ECANCELED));
            if (op.result != 1) return;  // else "a" is still there
            restarted = true;
            op.then = nullptr;
            op.memory = mutable_buffer(memory.data(), memory.size());
            REQUIRE_FALSE(on.demux().start(op));
        };
        REQUIRE(on.until_completed(op, before + 1));
        op.then = nullptr;
        on.turns();
        if (restarted) {
            REQUIRE(op.completions == before + 1);
            c.say("b");
        } else {
            on.start(op);
        }
        REQUIRE(on.until_completed(op, before + 2));
        CHECK(op.result == 1);
        CHECK(memory[0] == (restarted ? 'b' : 'a'));
    }
}

TEST_CASE("detaching one connection takes nobody else's completions") {
    test::need(demultiplexer_kind::io_uring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(4));
    constexpr std::size_t count = 60;
    std::vector<test::connection*> all;
    std::vector<std::unique_ptr<receive_probe>> reads;
    for (std::size_t i = 0; i < count; ++i) {
        auto& c = *all.emplace_back(&on.connect(pair_kind::unix_pair));
        on.start(*reads.emplace_back(std::make_unique<receive_probe>(c.ours, operation_kind::receive)));
    }
    on.turns();
    for (auto* c : all) c->say("x");  // completions of all of them are on their way
    for (std::size_t i = 0; i < count; i += 3) on.demux().detach(all[i]->ours, true);
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(on.until_completed(*reads[i]));
        if (i % 3) {
            CHECK(reads[i]->result == 1);
        } else {
            CHECK((reads[i]->result == 1 || reads[i]->result == -ECANCELED));
        }
        reads[i]->data.reset();
    }
    on.turns();
    for (std::size_t i = 0; i < count; ++i) {
        CHECK(reads[i]->completions == 1);
        if (i % 3 == 0) CHECK(all[i]->ours.kept == 0);
    }
}

TEST_CASE(
    "what is started and detached in one turn does not touch the next owner of the descriptor's number") {
    test::need(demultiplexer_kind::io_uring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring);
    auto& c = on.connect(pair_kind::unix_pair);
    const int number = c.ours.fd;
    const auto kind = GENERATE(operation_kind::receive, operation_kind::receive_into);
    std::array<char, 8> memory;
    receive_probe op(c.ours, kind);
    op.memory = mutable_buffer(memory.data(), memory.size());
    on.start(op);  // only in the submission queue yet
    on.demux().detach(c.ours, true);
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    if (ends[1] == number) std::swap(ends[0], ends[1]);
    REQUIRE(ends[0] == number);
    REQUIRE(::send(ends[1], "mine", 4, 0) == 4);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -ECANCELED);
    on.turns();
    char got[8];
    CHECK(::recv(number, got, sizeof got, MSG_DONTWAIT) == 4);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("kept chunks of all buffers stop nobody from reading") {
    test::need(demultiplexer_kind::io_uring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(16, 8));
    auto& c = on.connect(pair_kind::unix_pair);
    auto& other = on.connect(pair_kind::unix_pair);
    std::vector<bight::chunk> kept;
    receive_probe op(c.ours, operation_kind::receive);
    receive_probe second(other.ours, operation_kind::receive);
    std::string got;
    for (int i = 1; i <= 30; ++i) {
        c.say(std::to_string(i % 10));
        on.start(op);
        REQUIRE(on.until_completed(op, i));
        REQUIRE(op.result == 1);
        got += op.data.to_string();
        kept.push_back(std::move(op.data));
    }
    CHECK(got == "123456789012345678901234567890");
    on.start(second);
    on.turns();
    CHECK(on.demux().lent_buffers() == 30);  // who waits holds none
    other.say("me too");
    REQUIRE(on.until_completed(second));
    CHECK(second.data.to_string() == "me too");
    CHECK(on.demux().lent_buffers() == 31);
    second.data.reset();
    for (std::size_t i = 0; i < kept.size(); ++i) CHECK(kept[i].to_string() == std::string(1, got[i]));
    kept.clear();
    for (int i = 31; i <= 60; ++i) {  // and with the buffers back, it goes on in them
        c.say("y");
        on.start(op);
        REQUIRE(on.until_completed(op, i));
        CHECK(op.data.to_string() == "y");
        if (i > 32) CHECK(on.demux().lent_buffers() == 1);
    }
    op.data.reset();
}

TEST_CASE("a detach whose submission the kernel refuses leaves nothing behind that names the descriptor") {
    test::need(demultiplexer_kind::io_uring);
    std::thread([] {  // the filter stays with its thread
        demultiplexer_fixture on(demultiplexer_kind::io_uring);
        test::refuse_enters(test::enters::that_submit_alone, EAGAIN);
        auto& c = on.connect(pair_kind::unix_pair);
        const int number = c.ours.fd;
        receive_probe op(c.ours, operation_kind::receive);
        on.start(op);  // only in the submission queue yet
        on.demux().detach(c.ours, true);
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        if (ends[1] == number) std::swap(ends[0], ends[1]);
        REQUIRE(ends[0] == number);
        REQUIRE(::send(ends[1], "mine", 4, 0) == 4);
        REQUIRE(on.until_completed(op));
        CHECK(op.result == -ECANCELED);
        on.turns();
        char got[8];
        CHECK(::recv(number, got, sizeof got, MSG_DONTWAIT) == 4);
        ::close(ends[0]);
        ::close(ends[1]);
    })
        .join();
}

TEST_CASE("a peer that floods a socket which nobody reads takes a bounded part of the buffers") {
    test::need(demultiplexer_kind::io_uring);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, with_entries(64, 64));
    constexpr std::size_t bound = 2;  // buffers, of a ring of 64 (docs/design/demultiplexers.md)
    auto& hose = on.connect(pair_kind::unix_pair);
    auto& other = on.connect(pair_kind::unix_pair);
    receive_probe op(hose.ours, operation_kind::receive);
    hose.say("x");
    on.start(op);
    REQUIRE(on.until_completed(op));
    op.data.reset();
    std::size_t sent = 0;
    std::size_t taken = 0;
    std::size_t most_lent = 0;
    for (int i = 0; i < 200; ++i) {
        const std::string block(4096, 'x');
        const ssize_t more = ::send(hose.theirs, block.data(), block.size(), MSG_DONTWAIT);
        if (more > 0) sent += static_cast<std::size_t>(more);
        on.turns(1);
        most_lent = std::max(most_lent, on.demux().lent_buffers());
    }
    CHECK(most_lent > 0);
    CHECK(most_lent <= bound);
    // Some of it is still in the socket, where it slows the peer down.
    std::array<char, 1> peeked;
    CHECK(::recv(hose.ours.fd, peeked.data(), 1, MSG_PEEK | MSG_DONTWAIT) == 1);
    receive_probe second(other.ours, operation_kind::receive);
    other.say("not starved");
    on.start(second);
    REQUIRE(on.until_completed(second));
    CHECK(second.data.to_string() == "not starved");
    for (int i = 2; taken < sent; ++i) {
        on.start(op);
        REQUIRE(on.until_completed(op, i));
        REQUIRE(op.result > 0);
        taken += op.data.size();
    }
    CHECK(taken == sent);
    op.data.reset();
    second.data.reset();
}

TEST_CASE("a chunk may outlive its reactor") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    bight::chunk kept;
    {
        demultiplexer_fixture on(kind);
        auto& c = on.connect(pair_kind::unix_pair);
        receive_probe op(c.ours, operation_kind::receive);
        c.say("still here");
        on.start(op);
        REQUIRE(on.until_completed(op));
        kept = std::move(op.data);
        on.fixture().keeps_buffers(1);
    }
    CHECK(kept.to_string() == "still here");
}

TEST_CASE(
    "a reactor that is destroyed with an operation under way waits until it is back, on any demultiplexer") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::probe_descriptor d;
    std::array<char, 8> memory;
    receive_probe op(d, operation_kind::receive_into);
    op.memory = mutable_buffer(memory.data(), memory.size());
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    {
        test::reactor_fixture on(kind);
        on.reactor().run_once();
        d.fd = ends[0];
        bight::detail::demultiplexer_of(on.reactor()).attach(d);
        REQUIRE_FALSE(bight::detail::demultiplexer_of(on.reactor()).start(op));
        on.reactor().run_once();
        bight::detail::demultiplexer_of(on.reactor()).detach(d, false);
    }
    CHECK(op.completions == 1);
    CHECK(op.result == -ECANCELED);
    CHECK(d.kept == 0);
    REQUIRE(::send(ends[1], "x", 1, 0) == 1);  // nobody writes to the memory any more
    memory[0] = 'm';
    CHECK(memory[0] == 'm');
    ::close(ends[0]);
    ::close(ends[1]);
}
