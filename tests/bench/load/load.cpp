// A closed-loop load for echo servers: each connection keeps DEPTH messages of SIZE bytes on their way, and
// sends the next one when one has come back whole. After warming up (half of SECONDS, half a second at most)
// it measures for SECONDS and prints one line of name=value: requests/s, latency in µs at the median, the
// 99th and the 99.9th percentile and the longest, and, with the server's process id, the CPU time that the
// server used for each request, in µs. `total` counts from the first request on. usage: load PORT CONNECTIONS
// SIZE DEPTH SECONDS [SERVER_PID]
//        load free-port          prints a port of 127.0.0.1 that is free
#include "bench.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

namespace {

using bench::clock;

constexpr std::chrono::nanoseconds longest_warm_up = std::chrono::milliseconds(500);
constexpr int stalled_after_ms = 5000;

/// Counts by size, in steps of 1/64 of a power of two: 1.6 % at most off.
class histogram {
  public:
    void add(std::chrono::nanoseconds latency) {
        const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(latency.count(), 1));
        ++counts_[index_of(ns)];
        ++size_;
        longest_ = std::max(longest_, ns);
    }
    void clear() { *this = {}; }
    std::uint64_t size() const { return size_; }
    double longest_us() const { return static_cast<double>(longest_) / 1e3; }

    double percentile_us(double part) const {
        const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(size_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted) return static_cast<double>(lowest_of(i)) / 1e3;
        }
        return longest_us();
    }

  private:
    static std::size_t index_of(std::uint64_t ns) {
        const auto top = static_cast<unsigned>(std::bit_width(ns)) - 1;
        if (top < 6) return static_cast<std::size_t>(ns);
        return (std::size_t{top} - 5) * 64 + ((ns >> (top - 6)) & 63);
    }
    static std::uint64_t lowest_of(std::size_t index) {
        if (index < 64) return index;
        const std::size_t top = index / 64 + 5;
        return (std::uint64_t{64} + index % 64) << (top - 6);
    }

    std::array<std::uint64_t, std::size_t{64} * 60> counts_{};
    std::uint64_t size_ = 0;
    std::uint64_t longest_ = 0;
};

struct settings {
    unsigned port;
    unsigned connections;
    std::size_t message;
    std::size_t depth;
    std::chrono::nanoseconds duration;
    unsigned server;  // 0: its CPU time is not asked for
};

struct connection {
    int fd = -1;
    std::vector<clock::time_point> sent_at;  // of the messages on their way, as a ring
    std::size_t oldest = 0;
    std::size_t received = 0;  // bytes of the oldest message that are back
    std::size_t unsent = 0;    // bytes that the socket has not taken
    bool waits_to_send = false;
};

class load {
  public:
    explicit load(const settings& s)
        : settings_(s),
          connections_(s.connections),
          buffer_(65536, 'x'),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) bench::fail("epoll_create1");
        for (connection& c : connections_) {
            c.fd = bench::connect_to(s.port);
            if (::fcntl(c.fd, F_SETFL, O_NONBLOCK) < 0) bench::fail("fcntl");
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.ptr = &c;
            if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) < 0) bench::fail("epoll_ctl");
        }
    }

    void run() {
        const auto began = clock::now();
        for (connection& c : connections_) {
            c.sent_at.assign(settings_.depth, clock::now());
            c.unsent = settings_.depth * settings_.message;
            send(c);
        }
        turn_until(began + std::min(longest_warm_up, settings_.duration / 2));
        latencies_.clear();
        const double cpu_before = settings_.server ? bench::cpu_time_ns(settings_.server) : 0;
        const auto from = clock::now();
        turn_until(from + settings_.duration);
        const double elapsed = std::chrono::duration<double>(clock::now() - from).count();
        const double cpu = settings_.server ? bench::cpu_time_ns(settings_.server) - cpu_before : 0;
        report(elapsed, cpu);
        end_connections();
    }

  private:
    void turn_until(clock::time_point end) {
        std::array<epoll_event, 256> events{};
        while (clock::now() < end) {
            const int ready =
                ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), stalled_after_ms);
            if (ready < 0 && errno != EINTR) bench::fail("epoll_wait");
            if (ready == 0) {
                std::fprintf(stderr, "load: nothing came back for %d ms\n", stalled_after_ms);
                std::exit(1);
            }
            for (int i = 0; i < ready; ++i) {
                const epoll_event& event = events[static_cast<std::size_t>(i)];
                auto& c = *static_cast<connection*>(event.data.ptr);
                if (event.events & EPOLLOUT) send(c);
                if (event.events & ~std::uint32_t{EPOLLOUT}) receive(c);
            }
        }
    }

    void receive(connection& c) {
        const ssize_t got = ::recv(c.fd, buffer_.data(), buffer_.size(), 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            std::fprintf(stderr, "load: the server ended a connection: %s\n",
                         got == 0 ? "end of stream" : std::strerror(errno));
            std::exit(1);
        }
        c.received += static_cast<std::size_t>(got);
        const auto now = clock::now();
        for (; c.received >= settings_.message; c.received -= settings_.message) {
            latencies_.add(now - c.sent_at[c.oldest]);
            ++total_;
            c.sent_at[c.oldest] = now;  // its place is the next message's
            c.oldest = c.oldest + 1 == settings_.depth ? 0 : c.oldest + 1;
            c.unsent += settings_.message;
        }
        if (c.unsent > 0 && !c.waits_to_send) send(c);
    }

    void send(connection& c) {
        while (c.unsent > 0) {
            const ssize_t sent =
                ::send(c.fd, buffer_.data(), std::min(c.unsent, buffer_.size()), MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN) break;
            if (sent < 0) bench::fail("send");
            c.unsent -= static_cast<std::size_t>(sent);
        }
        if (c.waits_to_send == (c.unsent > 0)) return;
        c.waits_to_send = c.unsent > 0;
        epoll_event event{};
        event.events = EPOLLIN;
        if (c.waits_to_send) event.events |= EPOLLOUT;
        event.data.ptr = &c;
        if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event) < 0) bench::fail("epoll_ctl");
    }

    // In good order: closing with answers unread would reset the connections, and the server would report
    // errors.
    void end_connections() {
        for (const connection& c : connections_) ::shutdown(c.fd, SHUT_WR);
        for (const connection& c : connections_) {
            const timeval limit{1, 0};
            ::setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            if (::fcntl(c.fd, F_SETFL, 0) < 0) bench::fail("fcntl");
            while (::recv(c.fd, buffer_.data(), buffer_.size(), 0) > 0) {
            }
            ::close(c.fd);
        }
    }

    void report(double elapsed, double cpu) const {
        const auto requests = static_cast<double>(latencies_.size());
        std::printf("total=%llu rate=%.0f p50=%.1f p99=%.1f p999=%.1f longest=%.1f",
                    static_cast<unsigned long long>(total_), requests / elapsed,
                    latencies_.percentile_us(0.5), latencies_.percentile_us(0.99),
                    latencies_.percentile_us(0.999), latencies_.longest_us());
        if (settings_.server) std::printf(" cpu=%.3f load=%.2f", cpu / requests / 1e3, cpu / elapsed / 1e9);
        std::printf("\n");
        std::fflush(stdout);
    }

    settings settings_;
    std::vector<connection> connections_;
    std::vector<char> buffer_;
    histogram latencies_;
    std::uint64_t total_ = 0;
    int epoll_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::strcmp(arguments[1], "free-port") == 0) {
        std::printf("%u\n", bench::free_port());
        return 0;
    }
    if (count < 6 || count > 7) {
        std::fprintf(stderr,
                     "usage: load PORT CONNECTIONS SIZE DEPTH SECONDS [SERVER_PID]\n       load free-port\n");
        return 2;
    }
    bench::raise_descriptor_limit();
    const auto argument = [&](int index, unsigned most) {
        return bench::number(count, arguments, index, 0, most);
    };
    settings s{};
    s.port = argument(1, 65535);
    s.connections = argument(2, 20000);
    s.message = argument(3, 1 << 20);
    s.depth = argument(4, 1024);
    s.duration = bench::duration(arguments, 5, 300);
    s.server = argument(6, 1U << 30);
    bench::live_at_most(330);
    load(s).run();
}
