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

inline void no_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
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

/// A port of 127.0.0.1 that is free now.
inline unsigned free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a = loopback(0);
    socklen_t size = sizeof a;
    if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) < 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0) {
        fail("a free port");
    }
    ::close(fd);
    return ntohs(a.sin_port);
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
