// The sample servers as processes, and a client that talks to them with plain blocking sockets.
#pragma once

#include "process.hpp"

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

inline std::uint16_t port_of(int socket) {
    sockaddr_in a{};
    socklen_t size = sizeof a;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&a), &size);
    return ntohs(a.sin_port);
}

/// A socket that listens at a port of 127.0.0.1 that the kernel chose.
class plain_listener {
  public:
    plain_listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const sockaddr_in a = loopback(0);
        if (fd_ < 0 || ::bind(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) < 0 ||
            ::listen(fd_, 16) < 0) {
            throw std::system_error(errno, std::system_category(), "listen");
        }
    }
    plain_listener(const plain_listener&) = delete;
    ~plain_listener() { ::close(fd_); }
    std::uint16_t port() const { return port_of(fd_); }
    int native_handle() const { return fd_; }

  private:
    int fd_;
};

/// A port that nobody uses now.
inline std::uint16_t free_port() { return plain_listener().port(); }

inline std::string endpoint_at(std::uint16_t port) {
    return "tcp:interface=127.0.0.1:port=" + std::to_string(port);
}
inline std::string sample(std::string_view name) {
    return std::string(BIGHT_SAMPLES_DIR "/") + std::string(name);
}
inline std::string use_reactor(bight::demultiplexer_kind kind) {
    return "BIGHT_REACTOR=" + std::string(name_of(kind));
}

/// One connection, blocking; a read or write that takes longer than the patience of a test fails.
class client {
  public:
    explicit client(int fd) : fd_(fd) {
        const timeval bound{patience.count(), 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    }
    client(client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), error_(other.error_) {}
    client& operator=(client&& other) noexcept {
        std::swap(fd_, other.fd_);
        std::swap(error_, other.error_);
        return *this;
    }
    ~client() { close(); }

    int native_handle() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void end_writing() const { ::shutdown(fd_, SHUT_WR); }
    /// The peer gets a reset.
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close();
    }

    /// Sends all of it; false on an error.
    bool send(std::string_view text) {
        while (!text.empty()) {
            const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;  // not restarted, because the socket has a time-out
            if (sent < 0) {
                error_ = errno;
                return false;
            }
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    /// The next `size` bytes, or fewer when the stream ends or fails before; error() then says which.
    std::string read(std::size_t size) {
        std::string text(size, '\0');
        std::size_t got = 0;
        error_ = 0;
        while (got < size) {
            const ssize_t n = ::recv(fd_, text.data() + got, size - got, 0);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) error_ = errno;
            if (n <= 0) break;
            got += static_cast<std::size_t>(n);
        }
        text.resize(got);
        return text;
    }
    std::string read_line() {
        std::string line;
        while (line.empty() || line.back() != '\n') {
            const std::string byte = read(1);
            if (byte.empty()) break;
            line += byte;
        }
        return line;
    }
    std::string read_to_end() {
        std::string all;
        for (;;) {
            const std::string some = read(65536);
            all += some;
            if (some.size() < 65536) return all;
        }
    }
    /// The errno that ended the last call; 0 when it was complete, or met the end of the stream.
    int error() const { return error_; }

  private:
    int fd_;
    int error_ = 0;
};

/// A connection that arrives at `l`; fails the test when none does.
inline client accept_from(const plain_listener& l) {
    pollfd ready{l.native_handle(), POLLIN, 0};
    int polled = -1;
    do {
        polled = ::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(patience).count()));
    } while (polled < 0 && errno == EINTR);
    REQUIRE(polled == 1);
    const int fd = ::accept4(l.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(fd >= 0);
    return client(fd);
}

/// A sample server on one demultiplexer, at a port of its own.
class server {
  public:
    server(std::string_view sample_name, bight::demultiplexer_kind kind) : name_(sample_name), kind_(kind) {
        start();
    }

    test::process& process() { return *process_; }
    std::uint16_t port() const { return port_; }

    /// A new connection. Waits for the server to listen. `receive_buffer`, when not 0, bounds what the kernel
    /// takes for a client that does not read.
    client connect(int receive_buffer = 0) {
        for (const auto until = deadline(); steady::now() < until;) {
            client made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (receive_buffer) {
                ::setsockopt(made.native_handle(), SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                             sizeof receive_buffer);
            }
            if (try_connect(made)) return made;
            if (process_->has_ended()) start_again();
        }
        throw std::runtime_error(name_ + " does not listen");
    }

    /// Waits until it has stopped to listen.
    bool stops_listening() {
        for (const auto until = deadline(); steady::now() < until;) {
            client probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (!try_connect(probe)) return true;
        }
        return false;
    }

  private:
    void start() {
        port_ = free_port();
        process_ =
            std::make_unique<test::process>(std::vector<std::string>{sample(name_), endpoint_at(port_)},
                                            std::vector<std::string>{use_reactor(kind_)});
    }
    // Somebody else took the port between its choice and its use.
    void start_again() {
        process_->wait();
        if (process_->errors().find("in use") == std::string::npos || ++restarts_ > 5) {
            throw std::runtime_error(name_ + " ended: " + process_->errors());
        }
        start();
    }
    bool try_connect(const client& c) const {
        const sockaddr_in a = loopback(port_);
        if (::connect(c.native_handle(), reinterpret_cast<const sockaddr*>(&a), sizeof a) < 0) {
            if (errno != EINTR) return false;
            pollfd made{c.native_handle(), POLLOUT, 0};  // it goes on by itself
            int error = 0;
            socklen_t size = sizeof error;
            while (::poll(&made, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) < 0) {
            }
            ::getsockopt(c.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size);
            if (error || !made.revents) return false;
        }
        return port_of(c.native_handle()) !=
               port_;  // else it met itself: the port is one that connect may choose
    }

    std::string name_;
    bight::demultiplexer_kind kind_;
    std::uint16_t port_ = 0;
    int restarts_ = 0;
    std::unique_ptr<test::process> process_;
};

/// How many descriptors another process has open.
inline int open_descriptors_of(pid_t pid) {
    DIR* dir = ::opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
    if (!dir) return -1;
    int count = -2;  // "." and ".."
    while (::readdir(dir)) ++count;
    ::closedir(dir);
    return count;
}

/// The resident memory of another process, in KiB.
inline long resident_memory_of(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; status >> word;) {
        long kib = 0;
        if (word == "VmRSS:" && status >> kib) return kib;
    }
    return -1;
}

/// Whether the tests and the samples are built with a sanitizer that keeps freed memory, or shadows it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool memory_is_distorted = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
constexpr bool memory_is_distorted = true;
#else
constexpr bool memory_is_distorted = false;
#endif
#else
constexpr bool memory_is_distorted = false;
#endif

}  // namespace test
