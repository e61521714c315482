// Pipes, pseudo-terminals and standard descriptors of blocking system calls, for the other side of streams.
#pragma once

#include "support/catch.hpp"

#include <bight/net/owned_descriptor.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace test {

inline bool is_non_blocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

/// All of it; fails the test when the system does not take it.
inline void write_plainly(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        REQUIRE(written > 0);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

/// `size` bytes, or what there is before the end.
inline std::string read_plainly(int fd, std::size_t size) {
    std::string text(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
        const ssize_t got = ::read(fd, text.data() + filled, size - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        filled += static_cast<std::size_t>(got);
    }
    text.resize(filled);
    return text;
}

/// A pipe whose ends block.
struct plain_pipe {
    plain_pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reads = bight::owned_descriptor(ends[0]);
        writes = bight::owned_descriptor(ends[1]);
    }
    bight::owned_descriptor reads;
    bight::owned_descriptor writes;
};

/// A pseudo-terminal without echo: what is written to `master` is typed, what is read there is shown.
struct plain_terminal {
    plain_terminal() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        REQUIRE(master);
        REQUIRE(::grantpt(master.get()) == 0);
        REQUIRE(::unlockpt(master.get()) == 0);
        char text[128];
        REQUIRE(::ptsname_r(master.get(), text, sizeof text) == 0);
        name = text;
        slave = bight::owned_descriptor(::open(text, O_RDWR | O_NOCTTY | O_CLOEXEC));
        REQUIRE(slave);
        termios t = settings();
        t.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        REQUIRE(::tcsetattr(slave.get(), TCSANOW, &t) == 0);
    }
    termios settings() const {
        termios t{};
        REQUIRE(::tcgetattr(slave.get(), &t) == 0);
        return t;
    }
    bight::owned_descriptor master;
    bight::owned_descriptor slave;
    std::string name;
};

/// Puts `fd` in the place of a standard descriptor while it lives.
class in_place_of {
  public:
    in_place_of(int number, int fd) : number_(number), before_(::fcntl(number, F_DUPFD_CLOEXEC, 3)) {
        REQUIRE(before_ >= 0);
        REQUIRE(::dup2(fd, number) == number);
    }
    in_place_of(const in_place_of&) = delete;
    in_place_of& operator=(const in_place_of&) = delete;
    ~in_place_of() {
        ::dup2(before_, number_);
        ::close(before_);
    }

  private:
    int number_;
    int before_;
};

/// Counts the signals of a kind that come while it lives, in place of what they do otherwise.
class counted_signal {
  public:
    explicit counted_signal(int number) : number_(number) {
        seen() = 0;
        struct sigaction action{};
        action.sa_handler = [](int) { seen() = seen() + 1; };
        ::sigaction(number, &action, &before_);
    }
    counted_signal(const counted_signal&) = delete;
    counted_signal& operator=(const counted_signal&) = delete;
    ~counted_signal() { ::sigaction(number_, &before_, nullptr); }
    static volatile sig_atomic_t& seen() {
        static volatile sig_atomic_t count = 0;
        return count;
    }

  private:
    int number_;
    struct sigaction before_{};
};

}  // namespace test
