// An io_uring when the kernel takes nothing for now, and when it has more completions than it has room for.
#include "busy_kernel.hpp"
#include "full_queue.hpp"
#include "probes.hpp"

#include <cerrno>
#include <chrono>
#include <thread>

using bight::demultiplexer_kind;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;

TEST_CASE("a wait that a busy kernel refuses ends no reactor") {
    const int error = GENERATE(EBUSY, EAGAIN, EINTR);
    CAPTURE(error);
    test::need(demultiplexer_kind::io_uring);
    std::thread([&] {  // the filter stays with its thread
        demultiplexer_fixture on(demultiplexer_kind::io_uring);
        auto& c = on.connect(pair_kind::unix_pair);
        plain_probe op(c.ours, operation_kind::poll_read);
        on.start(op);
        test::refuse_enters(test::enters::that_wait, error);
        CHECK_NOTHROW(on.reactor().run_once(std::chrono::milliseconds(1)));
        c.say("x");
        on.turns();  // which wait for nothing
        CHECK(op.completions == 1);
        CHECK(op.result == 0);
    })
        .join();
}

TEST_CASE("what a busy kernel does not take is not lost, and what it has completed is taken first") {
    const int error = GENERATE(EBUSY, EAGAIN);
    CAPTURE(error);
    test::need(demultiplexer_kind::io_uring);
    std::thread([&] {
        demultiplexer_fixture on(demultiplexer_kind::io_uring);
        test::refuse_enters(test::enters::that_submit_alone, error);
        auto& first = on.connect(pair_kind::unix_pair);
        auto& second = on.connect(pair_kind::unix_pair);
        plain_probe waits(first.ours, operation_kind::poll_read);
        plain_probe late(second.ours, operation_kind::poll_read);
        on.start(waits);
        on.turns();
        REQUIRE(waits.completions == 0);
        first.say("x");
        test::complete_unseen(on);
        on.start(late);
        on.demux().hand_over();
        CHECK(waits.settled);
        CHECK(on.demux().has_unsubmitted());
        second.say("y");
        on.turns();
        CHECK(waits.completions == 1);
        CHECK(late.completions == 1);
    }).join();
}

TEST_CASE("completions that found no room in their queue are a reason to ask the kernel") {
    demultiplexer_fixture on(demultiplexer_kind::io_uring, test::small_queues());
    const test::full_completion_queue full(on);  // with some hundreds more
    on.demux().wait(bight::duration::zero());
    REQUIRE_FALSE(on.demux().has_unsubmitted());
    REQUIRE_FALSE(on.demux().idle());
    CHECK(on.demux().worth_polling());
    on.demux().wait(bight::duration::zero());
    CHECK_FALSE(on.demux().worth_polling());
}
