// Connects, sends SIZE bytes, has them back and closes in good order, again and again, TOGETHER connections
// at a time. Prints one line of name=value: connections/s, and the CPU time that the server used for each, in
// µs. usage: churn PORT TOGETHER SIZE SECONDS SERVER_PID
#include "bench.hpp"

#include <array>

namespace {

// A closed connection keeps its client's port for a minute: many source addresses have ports enough.
constexpr unsigned source_addresses = 64;

int connect_from(unsigned source, unsigned port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) bench::fail("socket");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from = bench::loopback(0);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) < 0) bench::fail("bind");
    const sockaddr_in to = bench::loopback(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) bench::fail("connect");
    return fd;
}

class churn {
  public:
    churn(unsigned port, unsigned together, std::size_t size)
        : port_(port), open_(together), message_(size, 'x') {}

    // The number of connections that were made, used and closed.
    std::uint64_t run_until(bench::clock::time_point end) {
        std::uint64_t done = 0;
        for (; bench::clock::now() < end; done += open_.size()) {
            for (int& fd : open_) {
                fd = connect_from(source_, port_);
                source_ = (source_ + 1) % source_addresses;
                if (!bench::send_all(fd, message_.data(), message_.size())) bench::fail("send");
            }
            for (const int fd : open_) {
                const ssize_t got = ::recv(fd, message_.data(), message_.size(), MSG_WAITALL);
                if (got != static_cast<ssize_t>(message_.size())) bench::fail("recv");
                ::close(fd);
            }
        }
        return done;
    }

  private:
    unsigned port_;
    unsigned source_ = 0;
    std::vector<int> open_;
    std::vector<char> message_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 6) {
        std::fprintf(stderr, "usage: churn PORT TOGETHER SIZE SECONDS SERVER_PID\n");
        return 2;
    }
    bench::live_at_most(330);
    const unsigned port = bench::number(count, arguments, 1, 0, 65535);
    const unsigned together = bench::number(count, arguments, 2, 0, 1000);
    const unsigned size = bench::number(count, arguments, 3, 0, 65536);
    const std::chrono::nanoseconds duration = bench::duration(arguments, 4, 300);
    const unsigned server = bench::number(count, arguments, 5, 0, 1U << 30);

    churn clients(port, together, size);
    clients.run_until(bench::clock::now() + duration / 4);  // warms up
    const double cpu_before = bench::cpu_time_ns(server);
    const auto from = bench::clock::now();
    const auto done = static_cast<double>(clients.run_until(from + duration));
    const double cpu = bench::cpu_time_ns(server) - cpu_before;
    const double elapsed = std::chrono::duration<double>(bench::clock::now() - from).count();
    std::printf("rate=%.0f cpu=%.3f\n", done / elapsed, cpu / done / 1e3);
}
