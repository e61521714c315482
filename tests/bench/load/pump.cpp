// One long stream of BYTES bytes: to a server that reads it, from a server that writes it, or through a relay
// to TARGET_PORT, where this listens itself. Ends when the server has ended the connection, and fails unless
// all bytes came. Prints one line of name=value: GiB/s, and the CPU time that the server used for each GiB,
// in ms. usage: pump sink PORT BYTES SERVER_PID
//        pump source PORT BYTES SERVER_PID
//        pump relay PORT TARGET_PORT BYTES SERVER_PID
#include "bench.hpp"

#include <cstring>

namespace {

constexpr std::size_t piece = 262144;

// Sends so many bytes, and says that they were all.
void send_bytes(int fd, std::uint64_t bytes) {
    const std::vector<char> memory(piece, 'x');
    while (bytes > 0) {
        const auto next = static_cast<std::size_t>(std::min<std::uint64_t>(piece, bytes));
        if (!bench::send_all(fd, memory.data(), next)) bench::fail("send");
        bytes -= next;
    }
    ::shutdown(fd, SHUT_WR);
}

// How many bytes come until the end. They are thrown away in the kernel: this is not what is measured.
std::uint64_t receive_bytes(int fd) {
    std::vector<char> memory(piece * 4);
    std::uint64_t all = 0;
    for (;;) {
        const ssize_t got = ::recv(fd, memory.data(), memory.size(), MSG_TRUNC);
        if (got < 0) bench::fail("recv");
        if (got == 0) return all;
        all += static_cast<std::uint64_t>(got);
    }
}

std::uint64_t through_relay(unsigned port, int listener, std::uint64_t bytes) {
    const int out = bench::connect_to(port);
    std::thread sender(send_bytes, out, bytes);
    const int in = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (in < 0) bench::fail("accept");
    const std::uint64_t got = receive_bytes(in);
    sender.join();
    ::close(in);
    receive_bytes(out);  // until the relay has passed the end on
    ::close(out);
    return got;
}

std::uint64_t to_sink(unsigned port, std::uint64_t bytes) {
    const int fd = bench::connect_to(port);
    send_bytes(fd, bytes);
    receive_bytes(fd);
    ::close(fd);
    return bytes;
}

std::uint64_t from_source(unsigned port) {
    const int fd = bench::connect_to(port);
    const std::uint64_t got = receive_bytes(fd);
    ::close(fd);
    return got;
}

}  // namespace

int main(int count, char** arguments) {
    const char* mode = count > 1 ? arguments[1] : "";
    const bool relay = std::strcmp(mode, "relay") == 0;
    const bool source = std::strcmp(mode, "source") == 0;
    if (count != (relay ? 6 : 5) || (!relay && !source && std::strcmp(mode, "sink") != 0)) {
        std::fprintf(stderr,
                     "usage: pump sink|source PORT BYTES SERVER_PID\n       pump relay PORT TARGET_PORT "
                     "BYTES SERVER_PID\n");
        return 2;
    }
    bench::live_at_most(120);
    const unsigned port = bench::number(count, arguments, 2, 0, 65535);
    const unsigned bytes = bench::number(count, arguments, count - 2, 0, 1U << 31);
    const unsigned server = bench::number(count, arguments, count - 1, 0, 1U << 30);
    const int listener = relay ? bench::listen_at(bench::number(count, arguments, 3, 0, 65535), 0) : -1;

    const double cpu_before = bench::cpu_time_ns(server);
    const auto from = bench::clock::now();
    const std::uint64_t got =
        relay ? through_relay(port, listener, bytes) : (source ? from_source(port) : to_sink(port, bytes));
    const double elapsed = std::chrono::duration<double>(bench::clock::now() - from).count();
    const double cpu = bench::cpu_time_ns(server) - cpu_before;
    if (got != bytes) {
        std::fprintf(stderr, "pump: %llu bytes of %u came\n", static_cast<unsigned long long>(got), bytes);
        return 1;
    }
    const double gib = bytes / 1073741824.0;
    std::printf("rate=%.3f cpu=%.2f\n", gib / elapsed, cpu / 1e6 / gib);
}
