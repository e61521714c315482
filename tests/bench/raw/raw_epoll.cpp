// An echo server of bare system calls on epoll: the limit for the readiness demultiplexers. It waits for
// input only, and lets a peer that does not read block it; a real server must do more. It can be given more to
// do: NANOSECONDS of nothing for each message, or, with `again`, to receive until there is nothing.
// usage: raw_epoll PORT [NANOSECONDS | again]
#include "bench.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
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

void do_nothing(std::chrono::nanoseconds for_so_long) {
    if (for_so_long == std::chrono::nanoseconds::zero()) return;
    const auto end = bench::clock::now() + for_so_long;
    while (bench::clock::now() < end) {
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const int listener = bench::listen_at(bench::number(count, arguments, 1, 7000, 65535), SOCK_NONBLOCK);
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) bench::fail("epoll_create1");
    watch(epoll, listener);
    const bool again = count > 2 && std::string_view(arguments[2]) == "again";
    const std::chrono::nanoseconds nothing(again ? 0 : bench::number(count, arguments, 2, 0, 1'000'000));

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
            ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
            do_nothing(nothing);
            bool sent = got > 0 && bench::send_all(fd, buffer.data(), static_cast<std::size_t>(got));
            while (again && sent && (got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT)) != -1) {
                sent = got > 0 && bench::send_all(fd, buffer.data(), static_cast<std::size_t>(got));
            }
            if (!sent) ::close(fd);
        }
    }
}
