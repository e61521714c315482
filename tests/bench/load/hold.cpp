// Holds many quiet connections to a server at 127.0.0.1 that answers a keep-alive of samples/keepalive.cpp
// with itself: that sample, or an echo server. Each makes one exchange when it is new, and then, for SECONDS,
// one in every PERIOD_MS, spread evenly. It goes step by step, for a script that looks at the server in
// between:
//   prints "held=N", when all are connected and have been answered; waits for a line of input;
//   makes exchanges, and prints what they were, as name=value; waits for the end of its input;
//   ends its connections in good order.
// `late` answers came after the next exchange was due, which then was left out; `lost` connections were ended
// by the server; `held_up` ms it did not run itself, as if there had been no such time. Latencies are in µs.
// Each 5,000 connections have an address of their own, 127.0.SOURCE.x, so that there are ports for them.
// usage: hold PORT CONNECTIONS PERIOD_MS SECONDS SOURCE
#include "bench.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

namespace {

using bench::clock;

constexpr unsigned connections_of_an_address = 5000;
using record = std::array<char, 16>;

// How many bytes follow (2 bytes), kind (2), number (4), time (8), the highest byte of each first.
record keep_alive(std::uint32_t number) {
    record r{0, 14, 0, 1};
    for (std::size_t i = 0; i < 4; ++i) r[4 + i] = static_cast<char>(number >> (24 - 8 * i) & 0xff);
    return r;
}

struct settings {
    unsigned port;
    unsigned connections;
    std::chrono::milliseconds period;
    std::chrono::seconds length;
    unsigned source;
};

struct connection {
    int fd = -1;
    std::uint32_t number = 0;  // of the exchange
    std::size_t missing = 0;   // bytes of the answer; 0: nothing is on its way
    clock::time_point sent;
};

class holder {
  public:
    explicit holder(const settings& s)
        : settings_(s), connections_(s.connections), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) bench::fail("epoll_create1");
        for (unsigned i = 0; i < s.connections; ++i) open(connections_[i], i / connections_of_an_address + 1);
    }

    // Exchange number n is that of connection n modulo their number. Where this process was held up, what was
    // due meanwhile is put off, not sent at once: the server would be to blame for a flood of its client's.
    void run() {
        auto began = clock::now();
        auto end = began + settings_.length;
        const std::chrono::duration<double> period = settings_.period;
        const auto due = [&](std::uint64_t n) {
            return began + std::chrono::duration_cast<clock::duration>(
                               period * (static_cast<double>(n) / settings_.connections));
        };
        std::uint64_t next = 0;
        for (auto now = began; now < end; now = clock::now()) {
            if (const auto behind = now - due(next); behind > settings_.period / 10) {
                began += behind;
                end += behind;
                held_up_ += behind;
            }
            while (due(next) <= now) begin_exchange(connections_[next++ % settings_.connections]);
            const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::min(due(next), end) - now);
            take_answers(static_cast<int>(wait.count()));
        }
        // The last ones have a period each.
        for (auto patience = clock::now() + settings_.period; under_way_ > 0 && clock::now() < patience;) {
            if (take_answers(100)) patience = clock::now() + settings_.period;
        }
        report();
    }

    // In good order: a reset would be an error that the server reports.
    void end_connections() {
        for (const connection& c : connections_) {
            if (c.fd >= 0) ::shutdown(c.fd, SHUT_WR);
        }
        for (const connection& c : connections_) {
            if (c.fd < 0) continue;
            const timeval limit{1, 0};
            ::setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            if (::fcntl(c.fd, F_SETFL, 0) < 0) bench::fail("fcntl");
            record rest{};
            while (::recv(c.fd, rest.data(), rest.size(), 0) > 0) {
            }
            ::close(c.fd);
        }
    }

  private:
    void open(connection& c, unsigned address) {
        c.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c.fd < 0) bench::fail("socket");
        const int on = 1;
        ::setsockopt(c.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        sockaddr_in from = bench::loopback(0);
        from.sin_addr.s_addr = htonl((127U << 24) | (settings_.source << 8) | address);
        if (::bind(c.fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) < 0) bench::fail("bind");
        const sockaddr_in to = bench::loopback(settings_.port);
        if (::connect(c.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) bench::fail("connect");
        bench::no_delay(c.fd);

        record answer{};
        send(c);
        if (::recv(c.fd, answer.data(), answer.size(), MSG_WAITALL) != static_cast<ssize_t>(answer.size())) {
            bench::fail("a new connection was not answered");
        }
        check_answer(c, answer.data(), answer.size());
        c.missing = 0;
        if (::fcntl(c.fd, F_SETFL, O_NONBLOCK) < 0) bench::fail("fcntl");
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &c;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) < 0) bench::fail("epoll_ctl");
    }

    void send(connection& c) {
        const record message = keep_alive(++c.number);
        if (::send(c.fd, message.data(), message.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(message.size())) {
            lose(c);
            return;
        }
        c.missing = message.size();
    }

    static void check_answer(const connection& c, const char* bytes, std::size_t count) {
        const record wanted = keep_alive(c.number);
        const char* const from = wanted.data() + wanted.size() - c.missing;
        if (!std::equal(bytes, bytes + count, from)) {
            std::fprintf(stderr, "another answer than the keep-alive that was sent\n");
            std::exit(1);
        }
    }

    void begin_exchange(connection& c) {
        if (c.fd < 0) return;
        if (c.missing > 0) {
            ++late_;
            return;
        }
        c.sent = clock::now();
        send(c);
        if (c.missing > 0) ++under_way_;
    }

    // Whether any came.
    bool take_answers(int patience_ms) {
        std::array<epoll_event, 256> events{};
        const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience_ms);
        if (ready < 0 && errno != EINTR) bench::fail("epoll_wait");
        for (int i = 0; i < ready; ++i) {
            receive(*static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr));
        }
        return ready > 0;
    }

    void receive(connection& c) {
        record answer{};
        const ssize_t got = ::recv(c.fd, answer.data(), answer.size(), 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0 || static_cast<std::size_t>(got) > c.missing) {
            lose(c);
            return;
        }
        check_answer(c, answer.data(), static_cast<std::size_t>(got));
        c.missing -= static_cast<std::size_t>(got);
        if (c.missing > 0) return;
        --under_way_;
        const std::chrono::duration<double, std::micro> latency = clock::now() - c.sent;
        latencies_.push_back(latency.count());
    }

    void lose(connection& c) {
        if (c.missing > 0) --under_way_;
        c.missing = 0;
        ::close(std::exchange(c.fd, -1));
        ++lost_;
    }

    void report() {
        std::sort(latencies_.begin(), latencies_.end());
        const auto at = [&](double part) {
            if (latencies_.empty()) return 0.0;
            const auto size = static_cast<double>(latencies_.size());
            return latencies_[static_cast<std::size_t>(part * (size - 1))];
        };
        std::printf(
            "exchanges=%zu unanswered=%u late=%u lost=%u held_up=%lld p50=%.0f p99=%.0f longest=%.0f\n",
            latencies_.size(), under_way_, late_, lost_,
            static_cast<long long>(held_up_ / std::chrono::milliseconds(1)), at(0.5), at(0.99), at(1));
        std::fflush(stdout);
    }

    settings settings_;
    std::vector<connection> connections_;
    std::vector<double> latencies_;
    unsigned under_way_ = 0;
    unsigned late_ = 0;
    clock::duration held_up_{};
    unsigned lost_ = 0;
    int epoll_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 6) {
        std::fprintf(stderr, "usage: hold PORT CONNECTIONS PERIOD_MS SECONDS SOURCE\n");
        return 2;
    }
    bench::raise_descriptor_limit();
    const auto argument = [&](int index, unsigned most) {
        return bench::number(count, arguments, index, 0, most);
    };
    const settings s{argument(1, 65535), argument(2, 1000000),
                     std::chrono::milliseconds(argument(3, 3600000)), std::chrono::seconds(argument(4, 3600)),
                     argument(5, 255)};
    bench::live_at_most(static_cast<unsigned>(s.length.count()) + 600);

    holder all(s);
    std::printf("held=%u\n", s.connections);
    std::fflush(stdout);
    if (std::getchar() == EOF) return 0;
    all.run();
    while (std::getchar() != EOF) {
    }
    all.end_connections();
}
