// Bare system calls that pass one stream on, in one direction: splice(2) through a pipe, or recv and send.
// One client at a time. usage: raw_relay splice|copy TARGET_PORT PORT
#include "bench.hpp"

#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace {

constexpr std::size_t piece = 262144;

void wait_for(int fd, short events) {
    pollfd waiting{fd, events, 0};
    ::poll(&waiting, 1, -1);
}

void splice_all(int from, int to) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) < 0) bench::fail("pipe2");
    ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(piece));
    for (;;) {
        ssize_t held = ::splice(from, nullptr, ends[1], nullptr, piece, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (held < 0 && errno == EAGAIN) {
            wait_for(from, POLLIN);
            continue;
        }
        if (held <= 0) break;
        while (held > 0) {
            const ssize_t passed = ::splice(ends[0], nullptr, to, nullptr, static_cast<std::size_t>(held),
                                            SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
            if (passed > 0) {
                held -= passed;
            } else if (errno == EAGAIN) {
                wait_for(to, POLLOUT);
            } else {
                bench::fail("splice");
            }
        }
    }
    ::close(ends[0]);
    ::close(ends[1]);
}

void copy_all(int from, int to) {
    std::vector<char> memory(piece);
    for (;;) {
        const ssize_t got = ::recv(from, memory.data(), memory.size(), 0);
        if (got < 0 && errno == EAGAIN) {
            wait_for(from, POLLIN);
            continue;
        }
        if (got <= 0) break;
        for (ssize_t passed = 0; passed < got;) {
            const ssize_t sent =
                ::send(to, memory.data() + passed, static_cast<std::size_t>(got - passed), MSG_NOSIGNAL);
            if (sent > 0) {
                passed += sent;
            } else if (errno == EAGAIN) {
                wait_for(to, POLLOUT);
            } else {
                bench::fail("send");
            }
        }
    }
}

void pass_on(int client, int server, bool by_splicing) {
    for (const int fd : {client, server}) {
        if (::fcntl(fd, F_SETFL, O_NONBLOCK) < 0) bench::fail("fcntl");
    }
    if (by_splicing) {
        splice_all(client, server);
    } else {
        copy_all(client, server);
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const bool by_splicing = count == 4 && std::strcmp(arguments[1], "splice") == 0;
    if (!by_splicing && (count != 4 || std::strcmp(arguments[1], "copy") != 0)) {
        std::fprintf(stderr, "usage: raw_relay splice|copy TARGET_PORT PORT\n");
        return 2;
    }
    const unsigned target = bench::number(count, arguments, 2, 0, 65535);
    const int listener = bench::listen_at(bench::number(count, arguments, 3, 0, 65535), 0);
    for (;;) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) bench::fail("accept");
        const int server = bench::connect_to(target);
        pass_on(client, server, by_splicing);
        ::close(server);
        ::close(client);
    }
}
