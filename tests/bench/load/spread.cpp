// A load for servers that pass on what one client sends to all the others: one of CLIENTS sends 64 bytes, and
// sends again when all others have them. Prints one line of name=value: deliveries/s, the CPU time that the
// server used for each, in µs, and the time until all were reached, in ms, at the median and the 99th
// percentile. usage: spread PORT CLIENTS SECONDS SERVER_PID
#include "bench.hpp"

#include <sys/epoll.h>

#include <array>

namespace {

constexpr std::size_t message_size = 64;
constexpr int stalled_after_ms = 5000;

class audience {
  public:
    audience(unsigned port, unsigned clients)
        : open_(clients), missing_(clients), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) bench::fail("epoll_create1");
        for (std::size_t i = 0; i < open_.size(); ++i) {
            open_[i] = bench::connect_to(port);
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = i;
            if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, open_[i], &event) < 0) bench::fail("epoll_ctl");
        }
    }

    // A server accepts in order: when what the last client says is passed on, all are there.
    void gather() { spread_from(open_.size() - 1); }

    std::chrono::nanoseconds spread() { return spread_from(0); }

    std::size_t others() const { return open_.size() - 1; }

  private:
    std::chrono::nanoseconds spread_from(std::size_t speaker) {
        std::fill(missing_.begin(), missing_.end(), message_size);
        missing_[speaker] = 0;
        std::size_t waiting = others();
        const auto from = bench::clock::now();
        const std::array<char, message_size> message{};
        if (!bench::send_all(open_[speaker], message.data(), message.size())) bench::fail("send");
        while (waiting > 0) {
            std::array<epoll_event, 1024> events{};
            const int ready =
                ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), stalled_after_ms);
            if (ready < 0) bench::fail("epoll_wait");
            if (ready == 0) {
                std::fprintf(stderr, "spread: %zu of %zu clients got nothing for %d ms\n", waiting, others(),
                             stalled_after_ms);
                std::exit(1);
            }
            for (int i = 0; i < ready; ++i)
                waiting -= hears(static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64));
        }
        return bench::clock::now() - from;
    }

    // 1 when this client has the whole message now.
    std::size_t hears(std::size_t client) {
        std::array<char, 4096> memory{};
        const ssize_t got = ::recv(open_[client], memory.data(), memory.size(), MSG_DONTWAIT);
        if (got <= 0 || static_cast<std::size_t>(got) > missing_[client]) {
            std::fprintf(stderr, "spread: client %zu was given %zd bytes, and misses %zu\n", client, got,
                         missing_[client]);
            std::exit(1);
        }
        missing_[client] -= static_cast<std::size_t>(got);
        return missing_[client] == 0;
    }

    std::vector<int> open_;
    std::vector<std::size_t> missing_;  // bytes of the present message
    int epoll_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) {
        std::fprintf(stderr, "usage: spread PORT CLIENTS SECONDS SERVER_PID\n");
        return 2;
    }
    bench::live_at_most(330);
    bench::raise_descriptor_limit();
    const unsigned clients = bench::number(count, arguments, 2, 0, 15000);
    const std::chrono::nanoseconds duration = bench::duration(arguments, 3, 300);
    const unsigned server = bench::number(count, arguments, 4, 0, 1U << 30);
    if (clients < 2) {
        std::fprintf(stderr, "spread: it takes two clients at least\n");
        return 2;
    }

    audience all(bench::number(count, arguments, 1, 0, 65535), clients);
    all.gather();
    all.spread();  // warms up
    std::vector<double> times;
    const double cpu_before = bench::cpu_time_ns(server);
    const auto from = bench::clock::now();
    while (bench::clock::now() < from + duration)
        times.push_back(std::chrono::duration<double, std::milli>(all.spread()).count());
    const double elapsed = std::chrono::duration<double>(bench::clock::now() - from).count();
    const double cpu = bench::cpu_time_ns(server) - cpu_before;

    const auto deliveries = static_cast<double>(times.size() * all.others());
    std::sort(times.begin(), times.end());
    std::printf("rate=%.0f cpu=%.3f p50=%.3f p99=%.3f\n", deliveries / elapsed, cpu / deliveries / 1e3,
                bench::median(times), times[times.size() * 99 / 100]);
}
