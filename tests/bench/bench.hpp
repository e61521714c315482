// What the benchmark programs share. Nothing here is of bight.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace bench {

using clock = std::chrono::steady_clock;

[[noreturn]] inline void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

/// The value of argument `index`, from 1 to `most`, or `otherwise` when there is none; ends the program when
/// it is not such a number.
inline unsigned number(int count, char** arguments, int index, unsigned otherwise, unsigned most) {
    if (index >= count) return otherwise;
    char* end = nullptr;
    const unsigned long value = std::strtoul(arguments[index], &end, 10);
    if (end == arguments[index] || *end || value < 1 || value > most) {
        std::fprintf(stderr, "%s: \"%s\" is not a number from 1 to %u\n", arguments[0], arguments[index],
                     most);
        std::exit(2);
    }
    return static_cast<unsigned>(value);
}

/// The value of argument `index` in seconds, a fraction as well, up to `most`; ends the program when it is
/// not such a number.
inline std::chrono::nanoseconds duration(char** arguments, int index, unsigned most) {
    char* end = nullptr;
    const double seconds = std::strtod(arguments[index], &end);
    if (end == arguments[index] || *end || !(seconds > 0) || seconds > most) {
        std::fprintf(stderr, "%s: \"%s\" is not a number of seconds, up to %u\n", arguments[0],
                     arguments[index], most);
        std::exit(2);
    }
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

/// Ends the process after so many seconds, whatever it does then: no server outlives the script that started
/// it for long.
inline void live_at_most(unsigned seconds) { ::alarm(seconds); }

inline sockaddr_in loopback(unsigned port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/// What has passed since it was made, on the clock, and of this process's own processor time.
class time_spent {
  public:
    /// "passed=US cpu=US", for each of `count`.
    void print(unsigned count) const {
        const std::chrono::duration<double, std::micro> passed = clock::now() - began_;
        std::printf("passed=%.2f cpu=%.2f\n", passed.count() / count, (own_cpu() - cpu_) / count);
    }

  private:
    static double own_cpu() {
        rusage used{};
        ::getrusage(RUSAGE_SELF, &used);
        const auto micros = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
        };
        return micros(used.ru_utime) + micros(used.ru_stime);
    }
    clock::time_point began_ = clock::now();
    double cpu_ = own_cpu();
};

inline void no_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// A socket of datagrams at 127.0.0.1:port.
inline int bound_datagrams(unsigned port) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    const sockaddr_in at = loopback(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0) fail("bind");
    return fd;
}

/// A socket that listens at 127.0.0.1:port.
inline int listen_at(unsigned port, int type_flags) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
    if (fd < 0) fail("socket");
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in a = loopback(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) < 0) fail("bind");
    if (::listen(fd, SOMAXCONN) < 0) fail("listen");
    return fd;
}

/// A blocking connection to 127.0.0.1:port. Tries for ten seconds: the server may still be starting.
inline int connect_to(unsigned port) {
    const sockaddr_in a = loopback(port);
    const auto deadline = clock::now() + std::chrono::seconds(10);
    for (;;) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) fail("socket");
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0) {
            no_delay(fd);
            return fd;
        }
        if (clock::now() > deadline) fail("connect");
        ::close(fd);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

/// A port of 127.0.0.1 that is free now, below those that Linux gives to clients: a client's own port would
/// be in the server's way.
inline unsigned free_port() {
    constexpr unsigned lowest = 20000;
    constexpr unsigned highest = 32000;
    std::random_device random;
    for (int attempt = 0; attempt < 1000; ++attempt) {
        const unsigned port = lowest + random() % (highest - lowest);
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) fail("socket");
        const sockaddr_in a = loopback(port);
        const bool taken = ::bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) < 0;
        ::close(fd);
        if (!taken) return port;
    }
    fail("a free port");
}

/// Whether the peer has taken all of it.
inline bool send_all(int fd, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) return false;
        data += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

/// For a client: the message there and back, on a blocking socket.
inline void round_trip(int fd, std::size_t size) {
    std::vector<char> message(size, 'x');
    if (!send_all(fd, message.data(), size)) fail("send");
    if (::recv(fd, message.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) fail("recv");
}

/// As many descriptors as this process may have; its children inherit the limit.
inline void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// CPU time that all threads of a process have used, in nanoseconds (the first figure of schedstat).
inline double cpu_time_ns(unsigned pid) {
    double sum = 0;
    std::error_code gone;
    for (const auto& thread :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
        std::ifstream file(thread.path() / "schedstat");
        double ns = 0;
        if (file >> ns) sum += ns;
    }
    return sum;
}

/// Resident memory of a process in bytes.
inline double resident_bytes(unsigned pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
    double all = 0;
    double resident = 0;
    if (!(file >> all >> resident)) fail("/proc/PID/statm");
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace bench
