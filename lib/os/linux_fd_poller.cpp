#include "fd_poller.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace bight::detail {

namespace {

constexpr std::uint32_t bits_of(fd_event asked) noexcept {
    return (includes(asked, fd_event::readable) ? EPOLLIN : 0U) |
           (includes(asked, fd_event::writable) ? EPOLLOUT : 0U) |
           (includes(asked, fd_event::priority) ? EPOLLPRI : 0U);
}

constexpr fd_event events_of(std::uint32_t bits) noexcept {
    if ((bits & (EPOLLERR | EPOLLHUP)) != 0) return ~fd_event::none;
    return ((bits & EPOLLIN) != 0 ? fd_event::readable : fd_event::none) |
           ((bits & EPOLLOUT) != 0 ? fd_event::writable : fd_event::none) |
           ((bits & EPOLLPRI) != 0 ? fd_event::priority : fd_event::none);
}

// An epoll instance of its own, level-triggered, within whichever demultiplexer: so a descriptor may be
// watched here that another part of the program has in the reactor's, none of select's limits hold for it,
// and the kernel forgets what is closed. It has no interest in errors alone (EPOLLERR cannot be left out):
// what nobody waits for is not registered.
class epoll_poller final : public fd_poller {
  public:
    epoll_poller() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (fd_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
    }

    native_handle handle() const noexcept override { return fd_; }

    int change(fd_key key, fd_event before, fd_event now) noexcept override {
        epoll_event asked{};
        asked.events = bits_of(now);
        asked.data.u64 = key.packed();
        const int call = now == fd_event::none      ? EPOLL_CTL_DEL
                         : before == fd_event::none ? EPOLL_CTL_ADD
                                                    : EPOLL_CTL_MOD;
        if (::epoll_ctl(fd_, call, key.fd, &asked) == 0) return 0;
        // It cannot be waited for: a file, a directory, a device such as /dev/null.
        return errno == EPERM ? 1 : -errno;
    }

    bool knows(fd_key key, fd_event registered) noexcept override {
        return change(key, registered, registered) == 0;
    }

    std::size_t take(told* into, std::size_t room) noexcept override {
        epoll_event events[64];
        const int count = ::epoll_wait(fd_, events, static_cast<int>(std::min<std::size_t>(room, 64)), 0);
        for (int i = 0; i < count; ++i) {
            into[i] = {fd_key::unpacked(events[i].data.u64), events_of(events[i].events), false};
        }
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }

  private:
    int fd_;
};

}  // namespace

std::unique_ptr<fd_poller> make_fd_poller() { return std::make_unique<epoll_poller>(); }

}  // namespace bight::detail
