// An echo server of bare system calls on epoll: the limit for the readiness demultiplexers. It waits for
// input only, and lets a peer that does not read block it; a real server must do more. usage: raw_epoll PORT
#include "bench.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <vector>

namespace {

void watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) bench::fail("epoll_ctl");
}

void accept_all(int epoll, int listener) {
    for (;;) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        bench::no_delay(fd);
        watch(epoll, fd);
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const int listener = bench::listen_at(bench::number(count, arguments, 1, 7000, 65535), SOCK_NONBLOCK);
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) bench::fail("epoll_create1");
    watch(epoll, listener);

    std::array<epoll_event, 256> events{};
    std::vector<char> buffer(65536);
    for (;;) {
        const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        if (ready < 0 && errno != EINTR) bench::fail("epoll_wait");
        for (int i = 0; i < ready; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                accept_all(epoll, listener);
                continue;
            }
            const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (got <= 0 || !bench::send_all(fd, buffer.data(), static_cast<std::size_t>(got))) ::close(fd);
        }
    }
}
