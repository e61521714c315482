// A closed-loop load for echo servers of datagrams: each client keeps DEPTH datagrams of SIZE bytes on their
// way, and sends as many anew as have come back; what is lost is sent again when nothing has come for 100 ms.
// After warming up (half of SECONDS, half a second at most) it measures for SECONDS and prints one line of
// name=value: datagrams/s, how many were lost of 1,000, and, with the server's process id, the CPU time that
// the server used for each datagram, in µs.
// usage: datagram_load PORT CLIENTS SIZE DEPTH SECONDS [SERVER_PID]
#include "bench.hpp"

#include <poll.h>

#include <array>
#include <cerrno>

namespace {

using bench::clock;

constexpr std::chrono::nanoseconds longest_warm_up = std::chrono::milliseconds(500);
constexpr std::size_t most_at_once = 64;
constexpr int lost_after_ms = 100;
constexpr unsigned given_up_after = 50;

class load {
  public:
    load(unsigned port, unsigned clients, std::size_t size, std::size_t depth)
        : depth_(depth), bytes_(size, 'x'), room_(most_at_once * 2048) {
        const sockaddr_in to = bench::loopback(port);
        for (unsigned i = 0; i < clients; ++i) {
            const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            if (fd < 0) bench::fail("socket");
            if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) bench::fail("connect");
            polled_.push_back({fd, POLLIN, 0});
        }
    }

    void run(std::chrono::nanoseconds duration, unsigned server) {
        for (const pollfd& p : polled_) send(p.fd, depth_);
        turn_until(clock::now() + std::min(longest_warm_up, duration / 2));
        came_ = lost_ = 0;
        const double cpu_before = server ? bench::cpu_time_ns(server) : 0;
        const auto from = clock::now();
        turn_until(from + duration);
        const double elapsed = std::chrono::duration<double>(clock::now() - from).count();
        const double cpu = server ? bench::cpu_time_ns(server) - cpu_before : 0;
        const auto came = static_cast<double>(came_);
        std::printf("total=%.0f rate=%.0f lost=%.3f", came, came / elapsed,
                    1000.0 * static_cast<double>(lost_) / came);
        if (server) std::printf(" cpu=%.3f load=%.2f", cpu / came / 1e3, cpu / elapsed / 1e9);
        std::printf("\n");
    }

  private:
    void turn_until(clock::time_point end) {
        unsigned silences = 0;
        while (clock::now() < end) {
            const int ready = ::poll(polled_.data(), polled_.size(), lost_after_ms);
            if (ready < 0 && errno != EINTR) bench::fail("poll");
            if (ready == 0) {
                if (++silences == given_up_after) {
                    std::fprintf(stderr, "datagram_load: nothing comes back\n");
                    std::exit(1);
                }
                lost_ += depth_;
                send(polled_.front().fd, depth_);
                continue;
            }
            silences = 0;
            for (const pollfd& p : polled_) {
                if (p.revents != 0) send(p.fd, receive(p.fd));
            }
        }
    }

    std::size_t receive(int fd) {
        std::array<iovec, most_at_once> pieces{};
        std::array<mmsghdr, most_at_once> messages{};
        for (std::size_t i = 0; i < most_at_once; ++i) {
            pieces[i] = {room_.data() + i * 2048, 2048};
            messages[i].msg_hdr.msg_iov = &pieces[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        const int got = ::recvmmsg(fd, messages.data(), most_at_once, 0, nullptr);
        if (got < 0 && errno != EAGAIN && errno != ECONNREFUSED) bench::fail("recvmmsg");
        came_ += got > 0 ? static_cast<unsigned>(got) : 0;
        return got > 0 ? static_cast<std::size_t>(got) : 0;
    }

    // What the socket does not take counts as lost, and is sent again after a silence.
    void send(int fd, std::size_t count) {
        std::array<iovec, most_at_once> pieces{};
        std::array<mmsghdr, most_at_once> messages{};
        while (count > 0) {
            const std::size_t now = std::min(count, most_at_once);
            for (std::size_t i = 0; i < now; ++i) {
                pieces[i] = {bytes_.data(), bytes_.size()};
                messages[i].msg_hdr.msg_iov = &pieces[i];
                messages[i].msg_hdr.msg_iovlen = 1;
            }
            const int sent = ::sendmmsg(fd, messages.data(), static_cast<unsigned>(now), 0);
            if (sent < 0 && errno != ECONNREFUSED) return;
            if (sent > 0) count -= static_cast<std::size_t>(sent);
        }
    }

    std::size_t depth_;
    std::vector<char> bytes_;
    std::vector<char> room_;
    std::vector<pollfd> polled_;
    std::uint64_t came_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
    if (count < 6 || count > 7) {
        std::fprintf(stderr, "usage: datagram_load PORT CLIENTS SIZE DEPTH SECONDS [SERVER_PID]\n");
        return 2;
    }
    const auto argument = [&](int index, unsigned most) {
        return bench::number(count, arguments, index, 0, most);
    };
    const std::chrono::nanoseconds duration = bench::duration(arguments, 5, 300);
    bench::live_at_most(330);
    load(argument(1, 65535), argument(2, 1000), argument(3, 1500), argument(4, 1024))
        .run(duration, argument(6, 1U << 30));
}
