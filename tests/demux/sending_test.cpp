// Sends that wait, that are long, and that are cut short.
#include "full_queue.hpp"
#include "probes.hpp"
#include "support/endless_memory.hpp"
#include "support/thread_total.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using bight::const_buffer;
using bight::detail::call_budget;
using bight::detail::transfer_budget;
using test::demultiplexer_fixture;
using test::give;
using test::operation_kind;
using test::pair_kind;
using test::plain_probe;
using test::receive_probe;
using test::send_probe;
using test::thread_total;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

/// How often the reactor looks at the kernel while nothing happens.
int looks_while_idle(demultiplexer_fixture& on) {
    on.turns();
    int looks = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    for (auto now = end - std::chrono::milliseconds(100); now < end; now = std::chrono::steady_clock::now()) {
        on.reactor().run_once(end - now);
        ++looks;
    }
    return looks;
}

/// Reads what comes as fast as it can, until the other side or its scope ends.
class drain {
  public:
    explicit drain(int fd) : fd_(fd) {
        const timeval limit{0, 20'000};  // no call of another thread ends a recv() everywhere
        REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
        thread_ = std::thread([this] { run(); });
    }
    drain(const drain&) = delete;
    drain& operator=(const drain&) = delete;
    ~drain() {
        done_ = true;
        thread_.join();
    }

  private:
    void run() const {
        std::string part(std::size_t{1} << 20, '\0');
        while (!done_) {
            const ssize_t got = ::recv(fd_, part.data(), part.size(), 0);
            if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
        }
    }
    int fd_;
    std::atomic<bool> done_{false};
    std::thread thread_;
};

std::size_t bytes_left(const send_probe& op) {
    std::size_t left = 0;
    for (std::size_t i = 0; i < op.piece_count; ++i) left += op.pieces[i].size;
    return left;
}

}  // namespace

TEST_CASE("sends to clients that have ended their side and do not read cost neither threads nor time") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    // Wine takes tens of milliseconds for each.
    const std::size_t count = on.name() == "iocp" || on.name() == "wfmo" ? 20 : 200;
    const bool half_closed = GENERATE(true, false);
    const auto kind = GENERATE(pair_kind::tcp, pair_kind::unix_pair);
    CAPTURE(half_closed, kind);
    const std::string answer(std::size_t{1} << 20, 'x');
    std::vector<test::connection*> all;
    std::vector<const_buffer> pieces(count, const_buffer(answer));
    std::vector<std::unique_ptr<send_probe>> sends;
    const int before = thread_total();
    for (std::size_t i = 0; i < count; ++i) {
        auto& c = *all.emplace_back(&on.connect(kind));
        if (half_closed) REQUIRE(::shutdown(c.theirs, SHUT_WR) == 0);
        give(*sends.emplace_back(std::make_unique<send_probe>(c.ours, operation_kind::send)), pieces[i]);
        on.start(*sends.back());
    }
    CHECK(looks_while_idle(on) < 1000);  // the kernel moves some of it on after the send
    CHECK(looks_while_idle(on) < 20);
    CHECK(thread_total() == before);

    for (std::size_t i = 0; i < count; i += 2) on.cancel(*sends[i]);
    for (std::size_t i = 0; i < count; i += 2) {
        REQUIRE(on.until_completed(*sends[i]));
        CHECK(sends[i]->result == -ECANCELED);
    }
    for (std::size_t i = 1; i < 20; i += 2) {
        std::size_t heard = 0;
        std::string part(65536, '\0');
        REQUIRE(on.until([&] {
            for (ssize_t got; (got = ::recv(all[i]->theirs, part.data(), part.size(), MSG_DONTWAIT)) > 0;) {
                heard += static_cast<std::size_t>(got);
            }
            return heard == answer.size();
        }));
        REQUIRE(on.until_completed(*sends[i]));
        CHECK(sends[i]->result == 0);
    }
    for (std::size_t i = 1; i < count; i += 2) on.end(*sends[i]);
    on.turns();
    for (const auto& op : sends) CHECK(op->completions == 1);
    CHECK(thread_total() == before);
}

TEST_CASE("a client that ends its side while a send waits for it does not end the send") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(GENERATE(pair_kind::tcp, pair_kind::unix_pair));
    const std::string text(std::size_t{1} << 20, 'x');
    const_buffer piece(text);
    send_probe op(c.ours, operation_kind::send);
    give(op, piece);
    on.start(op);
    looks_while_idle(on);
    REQUIRE(::shutdown(c.theirs, SHUT_WR) == 0);
    CHECK(looks_while_idle(on) < 20);
    CHECK(op.completions == 0);
    const drain reader(c.theirs);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
}

TEST_CASE("a send that is cancelled when its wait has just ended, and not with room, is cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    test::fill(c.ours.number());
    const const_buffer piece("x");
    send_probe op(c.ours, operation_kind::send);
    const_buffer left = piece;
    op.pieces = &left;
    op.piece_count = 1;
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);
    REQUIRE(::shutdown(c.theirs, SHUT_WR) == 0);
    test::complete_unseen(on);
    on.cancel(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -ECANCELED);
}

TEST_CASE("the end of the peer does not make a descriptor writable") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    const std::size_t filled = test::fill(c.ours.number());
    REQUIRE(::shutdown(c.theirs, SHUT_WR) == 0);
    plain_probe writable(c.ours, operation_kind::poll_write);
    on.start(writable);
    CHECK(looks_while_idle(on) < 20);
    REQUIRE(writable.completions == 0);
    const bool cancelled = GENERATE(true, false);
    if (cancelled) {
        on.cancel(writable);
    } else {
        c.hear(filled);
    }
    REQUIRE(on.until_completed(writable));
    CHECK(writable.result == (cancelled ? -ECANCELED : 0));
    on.turns();
    CHECK(writable.completions == 1);
}

TEST_CASE("a long send lets others have their turn: the bytes of one go are bounded") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(GENERATE(pair_kind::tcp, pair_kind::unix_pair));
    const drain reader(c.theirs);
    // Wine takes a second for 10 MiB.
    const bool on_windows = on.name() == "iocp" || on.name() == "wfmo";
    const test::endless_memory much((on_windows ? std::size_t{32} : std::size_t{256}) << 20);
    const_buffer piece = much.all();
    send_probe op(c.ours, operation_kind::send);
    give(op, piece);
    std::size_t left = bytes_left(op);
    std::size_t most = 0;
    on.start(op);
    while (op.completions == 0) {
        most = std::max(most, left - bytes_left(op));
        left = bytes_left(op);
        REQUIRE(on.until([&] { return on.reactor().run_once(std::chrono::milliseconds(1)) || true; }));
    }
    CHECK(op.result == 0);
    // io_uring: what a turn starts is handed over as it ends, and completes with the next one's look.
    CHECK(most <= (on.completes_by_itself() ? 2 : 1) * transfer_budget);
}

TEST_CASE("the calls of one go are bounded, and a send that has used them up can be cancelled and detached") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::unix_pair);
    constexpr std::size_t per_call = bight::detail::pieces_of_a_call;
    constexpr std::size_t all = (call_budget + 8) * per_call;  // a socket takes so much
    std::vector<const_buffer> pieces(all, const_buffer("a"));
    send_probe op(c.ours, operation_kind::send);
    op.pieces = pieces.data();
    op.piece_count = pieces.size();
    on.start(op);
    REQUIRE(op.completions == 0);
    REQUIRE(op.in_flight);
    CHECK(all - op.piece_count <= call_budget * per_call);
    const int how = GENERATE(0, 1, 2);
    if (how == 0) {
        REQUIRE(on.until_completed(op));
        CHECK(op.result == 0);
        CHECK(c.hear(all) == std::string(all, 'a'));
    } else {
        if (how == 1) {
            CHECK_FALSE(on.demux().cancel(op));
        } else {
            on.demux().detach(c.ours, true);
        }
        REQUIRE(on.until_completed(op));
        CHECK(op.result == -ECANCELED);
    }
    on.turns();
    CHECK(op.completions == 1);
}

TEST_CASE("lengths of 2 and 4 GiB are no special numbers") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    if (sizeof(std::size_t) < 8) return;
    const std::size_t size = (std::size_t{1} << 31) * GENERATE(1U, 2U) + GENERATE(0U, 3U);
    const int count = GENERATE(1, 2);
    CAPTURE(size, count);
    const test::endless_memory memory(size);

    auto& c = on.connect(pair_kind::tcp);
    receive_probe receive(c.ours, operation_kind::receive_into);
    receive.memory = bight::mutable_buffer(memory.bytes(), size);
    c.say("hello");
    on.start(receive);
    REQUIRE(on.until_completed(receive));
    REQUIRE(receive.result > 0);
    CHECK(receive.result <= 5);

    std::array<const_buffer, 2> pieces{memory.all(), memory.all()};
    send_probe send(c.ours, operation_kind::send);
    send.pieces = pieces.data();
    send.piece_count = static_cast<std::size_t>(count);
    on.start(send);
    on.turns();
    const std::size_t heard = std::size_t{4} << 20;
    std::size_t got = 0;
    std::string part(65536, '\0');
    REQUIRE(on.until([&] {
        for (ssize_t more; (more = ::recv(c.theirs, part.data(), part.size(), MSG_DONTWAIT)) > 0;) {
            got += static_cast<std::size_t>(more);
        }
        return got >= heard;
    }));
    on.turns();
    REQUIRE(send.completions == 0);
    on.end(send);
    CHECK(send.result == -ECANCELED);
}

TEST_CASE("a detach that closes a socket has reset it when it returns, whatever waited on it") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& c = on.connect(pair_kind::tcp);
    const int what = GENERATE(0, 1, 2, 3);
    const bool with_the_kernel = GENERATE(true, false);
    const bool half_closed = GENERATE(true, false);
    CAPTURE(what, with_the_kernel, half_closed);
    if (half_closed) REQUIRE(::shutdown(c.theirs, SHUT_WR) == 0);
    receive_probe receive(c.ours, half_closed ? operation_kind::poll_write : operation_kind::receive);
    const std::string text(std::size_t{4} << 20, 'x');
    const_buffer piece(text);
    send_probe send(c.ours, operation_kind::send);
    give(send, piece);
    if ((what & 1) && !half_closed) on.start(receive);
    if (what & 2) on.start(send);
    if (with_the_kernel) on.turns();
    const linger at_once{1, 0};
    REQUIRE(::setsockopt(c.ours.number(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    on.demux().detach(c.ours, true);
    const int error = test::connection_error(c.theirs);
    CHECK((error == ECONNRESET || (half_closed && error == EPIPE)));

    REQUIRE(on.until([&] { return !receive.in_flight && !send.in_flight; }));
    if (receive.completions > 0) CHECK(receive.result == -ECANCELED);
    if (send.completions > 0) CHECK(send.result == -ECANCELED);
}
