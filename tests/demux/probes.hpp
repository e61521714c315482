// Descriptors and operations that tests put before a demultiplexer, without any stream on top.
#pragma once

#include "core/system_error.hpp"
#include "demux/demultiplexer.hpp"
#include "support/reactors.hpp"

#include <bight/core/sleep.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace test {

using bight::detail::operation_kind;

/// A result with the errno alone of a failure, without the code that Windows gave for it.
inline std::int64_t with_errno(std::int64_t result) {
    return result < 0 ? -bight::detail::errno_of(static_cast<int>(-result)) : result;
}

/// Whether a result says that the descriptor is closed. Winsock does not tell that from a handle that is no
/// socket.
inline bool says_closed(std::int64_t result) {
#ifdef _WIN32
    if (with_errno(result) == -ENOTSOCK) return true;
#endif
    return with_errno(result) == -EBADF;
}

/// A descriptor that counts who holds it.
class probe_descriptor final : public bight::detail::descriptor {
  public:
    void keep() noexcept override { ++kept; }
    void drop() noexcept override { --kept; }
    /// For the calls of the tests.
    int number() const { return static_cast<int>(fd); }
    int kept = 0;
};

/// An operation that counts how often it completed; `then` is called each time.
template <class Base>
class probe final : public Base {
  public:
    probe(probe_descriptor& d, operation_kind what) {
        this->on = &d;
        this->kind = what;
    }
    int completions = 0;
    std::function<void()> then;
    /// A descriptor that is its result.
    int handle() const { return static_cast<int>(this->result); }

  private:
    void completed() noexcept override {
        ++completions;
        if (then) then();
    }
};

/// A receive that has its target itself.
class whole_receive : public bight::detail::receive_operation, public bight::detail::receive_target {
  public:
    whole_receive() noexcept { target = this; }
    bight::mutable_buffer& memory = into;

  protected:
    ~whole_receive() = default;
};

using plain_probe = probe<bight::detail::operation>;
using receive_probe = probe<whole_receive>;
using send_probe = probe<bight::detail::send_operation>;
using connect_probe = probe<bight::detail::connect_operation>;
using receive_message_probe = probe<bight::detail::receive_message_operation>;
using send_message_probe = probe<bight::detail::send_message_operation>;
using process_probe = probe<bight::detail::process_operation>;

/// What a send has to send.
inline void give(send_probe& op, bight::const_buffer& piece) {
    op.pieces = &piece;
    op.piece_count = 1;
}

enum class pair_kind { unix_pair, tcp };

/// Each as a run of the test case of its own.
inline pair_kind each_pair_kind() { return GENERATE(pair_kind::unix_pair, pair_kind::tcp); }

/// Two connected sockets: `ours` is attached to the demultiplexer, `theirs` is a plain blocking one.
struct connection {
    probe_descriptor ours;
    int theirs = -1;

    void say(std::string_view text, int flags = 0) const {
        REQUIRE(::send(theirs, text.data(), text.size(), flags | MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
    }
    /// Exactly `count` bytes.
    std::string hear(std::size_t count) const {
        std::string text(count, '\0');
        REQUIRE(::recv(theirs, text.data(), count, MSG_WAITALL) == static_cast<ssize_t>(count));
        return text;
    }
    void hang_up() { ::close(std::exchange(theirs, -1)); }
    /// TCP: we get a reset.
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        hang_up();
    }
};

/// The error of a connection that has failed, or 0. Windows tells it to calls, and not by SO_ERROR.
inline int connection_error(int fd) {
#ifdef _WIN32
    char bytes[4096];
    ssize_t got = 0;
    while ((got = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
    }
    return got < 0 ? errno : 0;
#else
    int error = 0;
    socklen_t size = sizeof error;
    REQUIRE(::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    return error;
#endif
}

/// A listening TCP socket on 127.0.0.1.
inline int listen_on_loopback(sockaddr_in& where, int backlog = 128) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&where), size) == 0);
    REQUIRE(::listen(fd, backlog) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    return fd;
}

/// A plain socket that is connected to `where`.
inline int connect_to(const sockaddr_in& where) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
    return fd;
}

/// A demultiplexer with the reactor it belongs to. When it is destroyed, every descriptor is detached, and
/// nobody may hold one any more.
class demultiplexer_fixture {
  public:
    /// Skips the test case where `kind` cannot be had.
    explicit demultiplexer_fixture(bight::demultiplexer_kind kind, bight::reactor_options options = {})
        : fixture_((need(kind), kind), options) {
        turns(1);  // an io_uring is bound to this thread from its first turn on
    }
    demultiplexer_fixture(const demultiplexer_fixture&) = delete;
    demultiplexer_fixture& operator=(const demultiplexer_fixture&) = delete;
    ~demultiplexer_fixture() {
        for (const auto& d : descriptors_) {
            if (d->demux) demux().detach(*d, true);
        }
        for (const auto& c : connections_) {
            if (c->ours.demux) demux().detach(c->ours, true);
            if (c->theirs >= 0) c->hang_up();
        }
        CHECK(until([&] { return demux().idle() && !reactor().has_ready(); }));
        for (const auto& d : descriptors_) CHECK(d->kept == 0);
        for (const auto& c : connections_) CHECK(c->ours.kept == 0);
        CHECK(demux().count() == 0);
        CHECK_FALSE(demux().has_pending());
    }

    bight::reactor& reactor() { return fixture_.reactor(); }
    bight::detail::demultiplexer& demux() { return bight::detail::demultiplexer_of(reactor()); }
    reactor_fixture& fixture() { return fixture_; }
    std::string name() { return std::string(reactor().demultiplexer_name()); }
    bool completes_by_itself() { return reactor().demultiplexer_name() == "io_uring"; }

    /// Attaches a descriptor.
    probe_descriptor& add(int fd, bool never_waits = false) {
        auto& d = *descriptors_.emplace_back(std::make_unique<probe_descriptor>());
        d.fd = fd;
        d.never_waits = never_waits;
        demux().attach(d);
        return d;
    }

    /// Attaches one end of a new connection.
    connection& connect(pair_kind kind) {
        int ends[2];
        if (kind == pair_kind::unix_pair) {
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        } else {
            sockaddr_in where;
            const int listening = listen_on_loopback(where);
            ends[1] = connect_to(where);
            ends[0] = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
            REQUIRE(ends[0] >= 0);
            ::close(listening);
            const int small = 65536;  // else the kernel lets them grow to megabytes
            ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
            ::setsockopt(ends[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        }
        auto& c = *connections_.emplace_back(std::make_unique<connection>());
        c.theirs = ends[1];
        c.ours.fd = ends[0];
        c.ours.short_read_empties = kind == pair_kind::tcp;
        demux().attach(c.ours);
        return c;
    }

    /// Starts an operation. One that is done at once counts as completed too.
    template <class Base>
    void start(probe<Base>& op) {
        if (demux().start(op)) ++op.completions;
    }

    /// Cancels an operation; one that is gone at once counts as completed with -ECANCELED.
    template <class Base>
    void cancel(probe<Base>& op) {
        if (demux().cancel(op)) {
            op.result = -ECANCELED;
            ++op.completions;
        }
    }

    /// Ends an operation that is still in flight: it must not outlive its memory.
    template <class Base>
    void end(probe<Base>& op) {
        const int before = op.completions;
        if (!op.in_flight) return;
        cancel(op);
        REQUIRE(until_completed(op, before + 1));
    }

    /// A few turns that wait for nothing: what could still happen, happens.
    void turns(int count = 8) {
        for (int i = 0; i < count; ++i) reactor().run_once();
    }

    /// Turns until `done()`. False when that takes for ever.
    template <class F>
    bool until(F done) {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!done()) {
            if (std::chrono::steady_clock::now() > give_up) return false;
            reactor().run_once(std::chrono::milliseconds(100));
        }
        return true;
    }

    template <class Base>
    bool until_completed(const probe<Base>& op, int times = 1) {
        return until([&] { return op.completions >= times; });
    }

    /// Whether the loop sleeps while a task waits for a timer, and nothing else runs: that takes a few looks
    /// at the kernel, where a loop that something keeps awake takes thousands.
    bool sleeps() {
        const auto before = reactor().statistics();
        fixture_.run([]() -> bight::task<> { co_await bight::sleep_for(std::chrono::milliseconds(20)); });
        const auto after = reactor().statistics();
        return after.polls - before.polls < 20 && after.resumptions - before.resumptions < 20;
    }

    /// Waits for the kernel until it has said something of `op`, but lets nothing run: the operation is
    /// queued.
    bool until_queued(const bight::detail::operation& op) {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        const auto waits = [&] {
            const auto& d = *op.on;
            const bool by_itself = completes_by_itself();
            return (d.reading == &op && (by_itself || !d.may_read)) ||
                   (d.writing == &op && (by_itself || !d.may_write));
        };
        while (waits()) {
            if (std::chrono::steady_clock::now() > give_up) return false;
            demux().wait(std::chrono::milliseconds(100));
        }
        return true;
    }

  private:
    reactor_fixture fixture_;
    std::vector<std::unique_ptr<probe_descriptor>> descriptors_;
    std::vector<std::unique_ptr<connection>> connections_;
};

/// Fills what the socket takes, so that the next byte has to wait: for good on a Unix socket; on TCP until
/// the kernel has moved some to the peer.
inline std::size_t fill(int fd) {
    const std::string block(65536, 'x');
    std::size_t count = 0;
    const auto until_full = [&](int flags) {
        const std::size_t before = count;
        for (ssize_t sent = 0; (sent = ::send(fd, block.data(), block.size(), flags)) > 0;) {
            count += static_cast<std::size_t>(sent);
        }
        return count > before;
    };
#ifdef _WIN32
    // It is attached, and so non-blocking. Over TCP, what has been sent makes room for more when it is
    // acknowledged, which may take 50 ms, or when the peer is asked whether it has room, after 200.
    for (int quiet = 0; quiet < 16; ++quiet) {
        if (until_full(0)) quiet = 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
#else
    until_full(MSG_DONTWAIT | MSG_NOSIGNAL);
#endif
    return count;
}

}  // namespace test
