// Connections of each family for tests, and sockets that bight does not manage to be their peers.
#pragma once

#include "catch.hpp"
#include "error_of.hpp"
#include "reactors.hpp"
#include "skip.hpp"
#include "unix_sockets.hpp"

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/listener.hpp>
#include <bight/sim/memory_stream.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace test {

/// `memory`: no socket, but both ends of a sim::memory_pair. It has no endpoint.
enum class family { tcp, tcp6, unix_path, unix_abstract, memory };

/// Why this machine has no ::1; nothing when it has.
inline const std::optional<std::string>& no_ipv6() {
    static const std::optional<std::string> why = []() -> std::optional<std::string> {
        const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in6 loopback{};
        loopback.sin6_family = AF_INET6;
        loopback.sin6_addr = in6addr_loopback;
        const bool bound =
            fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0;
        const int error = errno;
        if (fd >= 0) ::close(fd);
        if (bound) return std::nullopt;
        std::string text = "there is no ::1: " + std::system_category().message(error);
        leave_out(text);
        return text;
    }();
    return why;
}

/// The reactors() that have ::1; a simulated host always has it.
inline const std::vector<reactor_choice>& reactors_with_ipv6() {
    static const std::vector<reactor_choice> all = [] {
        std::vector<reactor_choice> found = reactors();
        if (no_ipv6()) std::erase_if(found, [](const reactor_choice& r) { return !r.seed; });
        return found;
    }();
    return all;
}

/// Those of `wanted` that this machine has.
inline std::vector<family> those_here(std::vector<family> wanted) {
    if (no_ipv6()) std::erase(wanted, family::tcp6);
    if (no_unix_sockets()) std::erase(wanted, family::unix_path);
    if (no_unix_sockets() || !has_abstract_names()) std::erase(wanted, family::unix_abstract);
    return wanted;
}

inline const std::vector<family>& families() {
    static const std::vector<family> all =
        those_here({family::tcp, family::tcp6, family::unix_path, family::unix_abstract});
    return all;
}

/// The nearest family of local stream that this system has: for tests of some connection, which is best one
/// that holds little.
inline family local_family() {
    static const family nearest = those_here({family::unix_abstract, family::unix_path, family::tcp}).front();
    return nearest;
}

/// Also streams in memory: for tests that need only what every stream guarantees.
inline const std::vector<family>& stream_families() {
    static const std::vector<family> all = [] {
        std::vector<family> found = families();
        found.push_back(family::memory);
        return found;
    }();
    return all;
}

inline bool is_tcp(family f) { return f == family::tcp || f == family::tcp6; }

/// A directory for socket files, removed at the end.
class temporary_directory {
  public:
    temporary_directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "bight-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::system_error(errno, std::system_category(), "mkdtemp");
        path_ = pattern;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string file(const std::string& name) const { return (path_ / name).generic_string(); }

  private:
    std::filesystem::path path_;
};

/// `text` as a value in an endpoint string.
inline std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == ':' || c == '=' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

/// The endpoint string of a Unix socket at `path`.
inline std::string unix_endpoint(const std::string& path) { return "unix:" + escaped(path); }

/// A new place of family `f` to listen at; each call gives another.
inline std::string new_endpoint(family f, const temporary_directory& directory) {
    static int number = 0;
    const std::string name = "s" + std::to_string(++number);
    switch (f) {
        case family::tcp: return "tcp:0:interface=127.0.0.1";
        case family::tcp6: return "tcp6:0:interface=\\:\\:1";
        case family::unix_path: return "unix:" + escaped(directory.file(name));
        default: return "unix:@bight-test-" + std::to_string(::getpid()) + "-" + name;
    }
}

/// The endpoint string that connects to `where`.
inline std::string endpoint_to(const bight::address& where) {
    switch (where.family()) {
        case bight::address::family_type::ipv4:
            return "tcp:" + where.host() + ":" + std::to_string(where.port());
        case bight::address::family_type::ipv6:
            return "tcp6:" + escaped(where.host()) + ":" + std::to_string(where.port());
        default: return "unix:" + escaped(where.path());
    }
}

/// Both ends of one connection.
class stream_pair {
  public:
    stream_pair(bight::stream accepted, bight::stream connected)
        : server(std::move(accepted)), client(std::move(connected)) {}
    bight::stream server;
    bight::stream client;
};

inline bight::task<stream_pair> connected_pair(family f) {
    if (f == family::memory) {
        auto [connected, accepted] = bight::sim::memory_pair();
        co_return stream_pair(std::move(accepted), std::move(connected));
    }
    const temporary_directory directory;
    bight::listener l = bight::listen(new_endpoint(f, directory));
    bight::stream client = co_await bight::connect(endpoint_to(l.local()));
    bight::stream server = co_await l.accept();
    co_return stream_pair(std::move(server), std::move(client));
}

/// Reads everything until the end of the stream.
inline bight::task<std::string> read_all(bight::stream& from) {
    std::string all;
    while (auto chunk = co_await from.read_some()) all.append(chunk.begin(), chunk.end());
    co_return all;
}

/// Bytes `from` to `from + size` of an endless text with a prime period, of which no buffer's size is a
/// multiple.
inline std::string pattern(std::size_t from, std::size_t size) {
    static const std::string period = [] {
        std::string text(65521, '\0');
        for (std::size_t i = 0; i < text.size(); ++i) {
            text[i] = static_cast<char>((i * 2654435761U >> 13) & 0xff);
        }
        return text;
    }();
    std::string text;
    text.reserve(size);
    while (text.size() < size) {
        text.append(period, (from + text.size()) % period.size(), size - text.size());
    }
    return text;
}

/// A descriptor, closed at the end.
class raw_socket {
  public:
    raw_socket() = default;
    explicit raw_socket(int fd) : fd_(fd) {
        if (fd < 0) throw std::system_error(errno, std::system_category(), "socket");
    }
    raw_socket(raw_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    raw_socket& operator=(raw_socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~raw_socket() { close(); }
    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// TCP: the peer gets a reset.
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close();
    }
    /// Sends all of `text`; blocks.
    void send(const std::string& text) const {
        std::size_t done = 0;
        while (done < text.size()) {
            const auto sent = ::send(fd_, text.data() + done, text.size() - done, MSG_NOSIGNAL);
            if (sent < 0) throw std::system_error(errno, std::system_category(), "send");
            done += static_cast<std::size_t>(sent);
        }
    }
    /// Reads until the end of the stream or an error, which is stored in `error`; blocks for at most 20 s.
    std::string receive_all(int* error = nullptr) const {
        const timeval bound{20, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
        std::string all;
        char buffer[4096];
        for (;;) {
            const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
            // With a time-out the call is not restarted after an interruption, which the destruction of this
            // thread's io_uring suffices to cause.
            if (got < 0 && errno == EINTR) continue;
            if (error) *error = got < 0 ? errno : 0;
            if (got <= 0) return all;
            all.append(buffer, static_cast<std::size_t>(got));
        }
    }

  private:
    int fd_ = -1;
};

/// A blocking socket that is connected to `to`; it returns as soon as the connection is in the listener's
/// backlog.
inline raw_socket raw_connect(const bight::address& to) {
    raw_socket s(::socket(to.native_family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(s.get(), static_cast<const sockaddr*>(to.native()),
                  static_cast<socklen_t>(to.native_size())) < 0) {
        throw std::system_error(errno, std::system_category(), "connect to " + to.to_string());
    }
    return s;
}

/// A stream whose peer is a plain socket.
class half_pair {
  public:
    half_pair(bight::stream managed, raw_socket plain) : stream(std::move(managed)), raw(std::move(plain)) {}
    bight::stream stream;
    raw_socket raw;
};

inline bight::task<half_pair> connected_to_raw(family f) {
    const temporary_directory directory;
    bight::listener l = bight::listen(new_endpoint(f, directory));
    raw_socket raw = raw_connect(l.local());
    bight::stream s = co_await l.accept();
    co_return half_pair(std::move(s), std::move(raw));
}

/// "error 104": of the system's the errno, for its own numbers are not the same everywhere.
inline std::string error_by_number(const std::error_code& error) {
    const auto means = error.default_error_condition();
    const bool has_errno = means.category() == std::generic_category();
    return "error " + std::to_string(has_errno ? means.value() : error.value());
}

/// Reads everything, and says how it ended: "text, end" or "text, error 104".
inline bight::task<std::string> rest(bight::stream& from) {
    std::string all;
    std::string how = "end";
    try {
        while (auto chunk = co_await from.read_some()) all += chunk.view();
    } catch (const std::system_error& e) {
        how = error_by_number(e.code());
    }
    co_return all + ", " + how;
}

}  // namespace test

template <>
struct Catch::StringMaker<test::family> {
    static std::string convert(test::family f) {
        switch (f) {
            case test::family::tcp: return "TCP over IPv4";
            case test::family::tcp6: return "TCP over IPv6";
            case test::family::unix_path: return "a Unix socket (path)";
            case test::family::memory: return "memory";
            default: return "a Unix socket (abstract)";
        }
    }
};
