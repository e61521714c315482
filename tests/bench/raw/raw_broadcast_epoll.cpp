// Broadcast with bare system calls on epoll: what one client sends goes to all the others with one send(2)
// each, and what a socket does not take at once is lost; a real server must do more. usage:
// raw_broadcast_epoll PORT
#include "bench.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

namespace {

void watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) bench::fail("epoll_ctl");
}

void accept_all(int epoll, int listener, std::vector<int>& clients) {
    for (;;) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        bench::no_delay(fd);
        watch(epoll, fd);
        clients.push_back(fd);
    }
}

void hear(int speaker, std::vector<int>& clients) {
    std::array<char, 4096> memory;
    const ssize_t got = ::recv(speaker, memory.data(), memory.size(), 0);
    if (got <= 0) {
        clients.erase(std::find(clients.begin(), clients.end(), speaker));
        ::close(speaker);
        return;
    }
    for (const int other : clients) {
        if (other != speaker) ::send(other, memory.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    const int listener = bench::listen_at(bench::number(count, arguments, 1, 7000, 65535), SOCK_NONBLOCK);
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) bench::fail("epoll_create1");
    watch(epoll, listener);

    std::vector<int> clients;
    std::array<epoll_event, 256> events{};
    for (;;) {
        const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        if (ready < 0 && errno != EINTR) bench::fail("epoll_wait");
        for (int i = 0; i < ready; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                accept_all(epoll, listener, clients);
            } else {
                hear(fd, clients);
            }
        }
    }
}
