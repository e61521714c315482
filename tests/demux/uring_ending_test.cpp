// The ends of what an io_uring completes again and again: of descriptors, of listeners, and of the ring
// itself.
#include "demux/ring_state.hpp"
#include "demux/uring.hpp"
#include "demux/uring_buffers.hpp"
#include "full_queue.hpp"
#include "probes.hpp"

#include <bight/core/task.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using bight::demultiplexer_kind;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::full_completion_queue;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::small_queues;

namespace {

// A peer's socket that has got an end or a reset.
bool ended(int fd) {
    char byte = 0;
    const auto got = ::recv(fd, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

// Puts a completion into the queue of a reactor, as one of several for what completes again and again: what
// the kernel says when it lacks something cannot be had at will.
void tell(demultiplexer_fixture& on, std::uint64_t user_data, int result) {
    constexpr unsigned pass_flags = 2;  // IORING_MSG_RING_FLAGS_PASS, of Linux 6.3
    io_uring ring{};
    REQUIRE(io_uring_queue_init(2, &ring, 0) == 0);
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
    io_uring_prep_msg_ring(sqe, test::ring_of(on), static_cast<unsigned>(result), user_data, pass_flags);
    sqe->file_index = IORING_CQE_F_MORE;
    io_uring_cqe* told = nullptr;
    REQUIRE(io_uring_submit_and_wait(&ring, 1) == 1);
    REQUIRE(io_uring_peek_cqe(&ring, &told) == 0);
    const int answer = told->res;
    io_uring_queue_exit(&ring);
    if (answer == -EINVAL)
        test::skip("a ring that takes completions with their flags from another (Linux 6.3)");
    REQUIRE(answer == 0);
}

}  // namespace

TEST_CASE("a detach whose cancel finds the queue full, and so what it cancels complete, ends each once") {
    const int queued_before = GENERATE(0, 1, 2, 3, 4);
    const bool data = GENERATE(true, false);
    CAPTURE(queued_before, data);
    demultiplexer_fixture on(demultiplexer_kind::io_uring, small_queues());
    auto& c = on.connect(pair_kind::unix_pair);
    std::array<char, 8> memory{};
    receive_probe first(c.ours, operation_kind::receive_into);
    first.memory = mutable_buffer(memory.data(), memory.size());
    receive_probe second(c.ours, operation_kind::receive_into);
    second.memory = mutable_buffer(memory.data(), memory.size());
    on.start(first);
    on.start(second);
    on.turns();
    REQUIRE(first.completions == 0);
    const full_completion_queue full(on);
    if (data) c.say("x");
    std::vector<std::unique_ptr<plain_probe>> others;
    for (int i = 0; i < queued_before; ++i) {
        auto& other = on.connect(pair_kind::unix_pair);
        on.start(*others.emplace_back(std::make_unique<plain_probe>(other.ours, operation_kind::poll_read)));
    }
    on.demux().detach(c.ours, true);
    REQUIRE(on.until_completed(first));
    REQUIRE(on.until_completed(second));
    on.turns();
    CHECK(first.completions == 1);
    CHECK(second.completions == 1);
    CHECK((first.result == 1 || first.result == -ECANCELED));
    CHECK(second.result == -ECANCELED);
    for (auto& other : others) on.end(*other);
}

TEST_CASE("a post is heard after the completions have overflowed") {
    demultiplexer_fixture on(demultiplexer_kind::io_uring, small_queues());
    for (int round = 0; round < 2; ++round) {
        {
            const full_completion_queue full(on);
            for (int i = 0; i < 4; ++i) on.demux().wake();  // what they complete has no room
            on.turns(2);
        }
        on.turns();
        bool called = false;
        std::thread other([&] { on.reactor().post([&] { called = true; }); });
        CHECK(on.until([&] { return called; }));
        other.join();
        // Asleep when it comes, too.
        bool again = false;
        std::thread later([&] { on.reactor().post([&] { again = true; }); });
        on.reactor().run_once(std::chrono::seconds(20));
        CHECK(on.until([&] { return again; }));
        later.join();
    }
}

TEST_CASE("a connection that the kernel has accepted for a listener which is detached is closed") {
    demultiplexer_fixture on(demultiplexer_kind::io_uring, small_queues());
    sockaddr_in where{};
    auto& listening = on.add(test::listen_on_loopback(where));
    plain_probe accept(listening, operation_kind::accept);
    on.start(accept);
    on.turns();  // it waits in the kernel
    const int client = test::connect_to(where);
    if (GENERATE(false, true)) test::complete_unseen(on);
    on.demux().detach(listening, true);
    REQUIRE(on.until_completed(accept));
    CHECK(on.until([&] { return ended(client); }));
    CHECK(accept.completions == 1);
    CHECK(accept.result == -ECANCELED);
    ::close(client);
}

TEST_CASE("accepting that fails for want of the kernel's memory is told to who accepts") {
    demultiplexer_fixture on(demultiplexer_kind::io_uring, small_queues());
    sockaddr_in where{};
    auto& listening = on.add(test::listen_on_loopback(where));
    plain_probe accept(listening, operation_kind::accept);
    on.start(accept);
    on.turns();
    REQUIRE(accept.completions == 0);
    const auto error = GENERATE(ENOBUFS, ENOMEM);
    tell(on, bight::detail::tagged(&listening, bight::detail::tag_multishot), -error);
    REQUIRE(on.until_completed(accept));
    CHECK(accept.result == -error);
    const int client = test::connect_to(where);
    on.start(accept);
    REQUIRE(on.until_completed(accept, 2));
    REQUIRE(accept.result >= 0);
    ::close(accept.handle());
    ::close(client);
}

TEST_CASE("connections that were accepted and never asked for are closed with their listener") {
    demultiplexer_fixture on(demultiplexer_kind::io_uring, small_queues());
    sockaddr_in where{};
    auto& listening = on.add(test::listen_on_loopback(where));
    plain_probe accept(listening, operation_kind::accept);
    on.start(accept);
    on.turns();
    const int first = test::connect_to(where);
    REQUIRE(on.until_completed(accept));
    const int second = test::connect_to(where);
    REQUIRE(on.until([&] { return listening.ring->accepted.size() == 1; }));
    on.demux().detach(listening, true);
    CHECK(on.until([&] { return ended(second); }));
    CHECK_FALSE(ended(first));
    ::close(accept.handle());
    ::close(first);
    ::close(second);
}

TEST_CASE(
    "of connections that nobody accepts a bounded number is taken, and all are accepted in their order") {
    constexpr std::size_t count = 150;
    demultiplexer_fixture on(demultiplexer_kind::io_uring, small_queues());
    sockaddr_in where{};
    auto& listening = on.add(test::listen_on_loopback(where, static_cast<int>(count)));
    plain_probe accept(listening, operation_kind::accept);
    on.start(accept);
    on.turns();
    std::vector<int> clients;
    std::size_t most = 0;
    for (std::size_t i = 0; i < count; ++i) {
        clients.push_back(test::connect_to(where));
        on.turns(2);
        most = std::max(most, listening.ring->accepted.size());
    }
    CHECK(most >= 8);
    CHECK(most <= 72);  // a few more than 64 may come until the kernel has heard
    const auto port_of = [](int fd, bool own) {
        sockaddr_in a{};
        socklen_t size = sizeof a;
        auto* const to = reinterpret_cast<sockaddr*>(&a);
        REQUIRE((own ? ::getsockname(fd, to, &size) : ::getpeername(fd, to, &size)) == 0);
        return ntohs(a.sin_port);
    };
    for (std::size_t i = 0; i < count; ++i) {
        const int before = accept.completions;
        if (i > 0) on.start(accept);
        REQUIRE(on.until_completed(accept, i > 0 ? before + 1 : 1));
        REQUIRE(accept.result >= 0);
        CHECK(port_of(accept.handle(), false) == port_of(clients[i], true));
        ::close(accept.handle());
    }
    for (const int fd : clients) ::close(fd);
}

TEST_CASE("a reactor that is destroyed with operations that complete again and again waits for their end") {
    test::need(demultiplexer_kind::io_uring);
    sockaddr_in where{};
    test::probe_descriptor listening;
    test::probe_descriptor connected;
    plain_probe accept(listening, operation_kind::accept);
    receive_probe read(connected, operation_kind::receive);
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    {
        bight::reactor_options options;
        options.demultiplexer = demultiplexer_kind::io_uring;
        bight::reactor r(options);
        auto& demux = bight::detail::demultiplexer_of(r);
        r.run_once();
        listening.fd = test::listen_on_loopback(where);
        connected.fd = ends[0];
        demux.attach(listening);
        demux.attach(connected);
        REQUIRE_FALSE(demux.start(accept));
        REQUIRE_FALSE(demux.start(read));
        r.run_once();
        CHECK(demux.cancel(accept));  // what completes again and again goes on
        CHECK(demux.cancel(read));
        REQUIRE(listening.ring->armed);
        REQUIRE(listening.kept == 1);
    }
    CHECK(listening.kept == 0);
    CHECK(connected.kept == 0);
    CHECK(listening.fd < 0);
    CHECK(connected.fd < 0);
    CHECK(ended(ends[1]));
    ::close(ends[1]);
}

TEST_CASE("the memory of receive buffers goes with the last chunk, when its ring has gone before") {
    test::need(demultiplexer_kind::io_uring);
    test::reactor_fixture on(demultiplexer_kind::io_uring);
    std::optional<bight::chunk> kept;
    {
        test::probe_descriptor d;
        receive_probe op(d, operation_kind::receive);
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        auto& demux = bight::detail::demultiplexer_of(on.reactor());
        on.reactor().run_once();
        d.fd = ends[0];
        demux.attach(d);
        REQUIRE(::send(ends[1], "hello", 5, 0) == 5);
        if (demux.start(op)) ++op.completions;
        while (op.completions == 0) on.reactor().run_once(std::chrono::seconds(20));
        REQUIRE(op.result == 5);
        kept.emplace(std::move(op.data));
        demux.detach(d, true);
        for (int i = 0; i < 8; ++i) on.reactor().run_once();
        ::close(ends[1]);
    }
    on.keeps_buffers(1);
    on.finish();
    REQUIRE(kept->to_string() == "hello");
    const auto at = reinterpret_cast<std::uintptr_t>(kept->data());
    void* const page = reinterpret_cast<void*>(at - at % bight::detail::uring_buffers::buffer_size);
    REQUIRE(::msync(page, 1, MS_ASYNC) == 0);
    kept.reset();
    CHECK(::msync(page, 1, MS_ASYNC) < 0);
    CHECK(errno == ENOMEM);
}
