// Bursts: more than one look at the kernel can take, and on io_uring more than its completion queue holds,
// which ends operations that complete again and again.
#include "demux/ring_state.hpp"
#include "full_queue.hpp"
#include "probes.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::full_completion_queue;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::small_queues;

namespace {

// What did not fit comes into the queue when the rest has been taken out.
void take_overflow(demultiplexer_fixture& on) {
    for (int i = 0; i < 2; ++i) on.demux().wait(bight::duration::zero());
}

// The address at the other end of `fd`, or with `own` at this one, as a word.
std::string name_of(int fd, bool own) {
    sockaddr_in a{};
    socklen_t size = sizeof a;
    auto* const to = reinterpret_cast<sockaddr*>(&a);
    REQUIRE((own ? ::getsockname(fd, to, &size) : ::getpeername(fd, to, &size)) == 0);
    return std::to_string(ntohs(a.sin_port));
}

}  // namespace

TEST_CASE("race 8: a burst of connections while the completion queue is full is accepted, each once") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool overflow = GENERATE(true, false);
    CAPTURE(kind, overflow);
    constexpr std::size_t count = 400;
    demultiplexer_fixture on(kind, small_queues());
    sockaddr_in where;
    auto& listening = on.add(test::listen_on_loopback(where, static_cast<int>(count)));
    plain_probe accept(listening, operation_kind::accept);
    on.start(accept);
    on.turns();  // it waits in the kernel
    REQUIRE(accept.completions == 0);

    std::multiset<std::string> connected;
    std::multiset<std::string> accepted;
    std::vector<int> clients;
    {
        std::optional<full_completion_queue> full;
        if (overflow) full.emplace(on);
        for (std::size_t i = 0; i < count; ++i) {
            clients.push_back(test::connect_to(where));
            connected.insert(name_of(clients.back(), true));
        }
        take_overflow(on);
        // The kernel has ended the accept that was to complete again and again.
        if (overflow && on.completes_by_itself()) CHECK_FALSE(listening.ring->armed);
    }
    for (int i = 1; accepted.size() < count; ++i) {
        REQUIRE(on.until_completed(accept, i));
        REQUIRE(accept.result >= 0);
        accepted.insert(name_of(accept.handle(), false));
        ::close(accept.handle());
        if (accepted.size() < count) on.start(accept);
    }
    CHECK(accepted == connected);

    // And it goes on: one more, and no more.
    const int before = accept.completions;
    on.start(accept);
    on.turns();
    REQUIRE(accept.completions == before);
    clients.push_back(test::connect_to(where));
    REQUIRE(on.until_completed(accept, before + 1));
    CHECK(name_of(accept.handle(), false) == name_of(clients.back(), true));
    ::close(accept.handle());
    for (const int fd : clients) ::close(fd);
}

TEST_CASE("race 8: bytes that come while the completion queue is full are received, each once and in order") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto socket = GENERATE(pair_kind::unix_pair, pair_kind::tcp);
    const bool overflow = GENERATE(true, false);
    CAPTURE(kind, overflow);
    demultiplexer_fixture on(kind, small_queues());
    auto& c = on.connect(socket);
    receive_probe op(c.ours, operation_kind::receive);
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);

    std::string sent;
    std::string got;
    {
        std::optional<full_completion_queue> full;
        if (overflow) full.emplace(on);
        for (int i = 0; i < 40; ++i) {
            const std::string piece(1000, static_cast<char>('a' + i % 26));
            c.say(piece);
            sent += piece;
        }
        take_overflow(on);
        if (overflow && on.completes_by_itself()) CHECK_FALSE(c.ours.ring->armed);
    }
    for (int i = 1; got.size() < sent.size(); ++i) {
        REQUIRE(on.until_completed(op, i));
        REQUIRE(op.result > 0);
        got += op.data.view();
        op.data.reset();
        if (got.size() < sent.size()) on.start(op);
    }
    CHECK((got == sent));

    const int before = op.completions;
    on.start(op);
    on.turns();
    REQUIRE(op.completions == before);
    c.say("more");
    REQUIRE(on.until_completed(op, before + 1));
    CHECK(op.data.view() == "more");
    op.data.reset();
}

TEST_CASE("race 8: a receive whose buffers run out goes on with what it has, on as many connections") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    auto options = small_queues();
    options.receive_buffers = 4;
    demultiplexer_fixture on(kind, options);
    constexpr std::size_t count = 20;
    const std::string text(9000, 'b');
    std::vector<test::connection*> all;
    std::vector<std::unique_ptr<receive_probe>> reads;
    std::vector<std::string> got(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto& c = *all.emplace_back(&on.connect(pair_kind::unix_pair));
        on.start(*reads.emplace_back(std::make_unique<receive_probe>(c.ours, operation_kind::receive)));
    }
    on.turns();
    for (auto* c : all) c->say(text);
    const auto all_got = [&] {
        for (std::size_t i = 0; i < count; ++i) {
            auto& read = *reads[i];
            if (read.in_flight || got[i].size() == text.size()) continue;
            REQUIRE(read.result > 0);
            got[i] += read.data.view();
            read.data.reset();
            if (got[i].size() < text.size()) on.start(read);
        }
        for (const auto& one : got) {
            if (one.size() < text.size()) return false;
        }
        return true;
    };
    REQUIRE(on.until(all_got));
    for (const auto& one : got) CHECK((one == text));
}
