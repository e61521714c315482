#include "time_limit.hpp"
#include "tool_annotations.hpp"
#include "woken_readiness.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

// Each descriptor is registered once, for all events, edge-triggered, so that changes of interest need no
// system call. The last edge is remembered in descriptor::may_read and may_write until a call returns EAGAIN,
// which gives users level-triggered behaviour (epoll(7), "Level-triggered and edge-triggered").
class epoll final : public woken_readiness {
  public:
    explicit epoll(reactor& home) : woken_readiness(home, false), fd_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (fd_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
        epoll_event wake{};
        wake.events = EPOLLIN | EPOLLET;  // each wake is an edge, so the eventfd need not be read
        wake.data.ptr = nullptr;
        if (::epoll_ctl(fd_, EPOLL_CTL_ADD, wake_descriptor(), &wake) < 0) {
            const int error = errno;
            ::close(fd_);
            throw std::system_error(error, std::system_category(), "epoll_ctl");
        }
    }
    ~epoll() override {
        if (fd_ >= 0) ::close(fd_);
    }
    // The registrations belong to the parent, which removes them itself.
    void forked() noexcept override {
        woken_readiness::forked();
        ::close(std::exchange(fd_, -1));
    }

    std::string_view name() const noexcept override { return "epoll"; }
    int pollable() const noexcept override { return fd_; }

    void wait(duration limit) override {
        epoll_event events[256];
        const int count = wait_for(events, 256, limit);
        if (count < 0) {
            if (errno == EINTR) return;
            throw std::system_error(errno, std::system_category(), "epoll_wait");
        }
        for (int i = 0; i < count; ++i) {
            auto* d = static_cast<descriptor*>(events[i].data.ptr);
            if (!d) {  // the wake
                woken(true);
                continue;
            }
            const std::uint32_t e = events[i].events;
            constexpr std::uint32_t ends = EPOLLHUP | EPOLLERR;
            if ((e & ~(EPOLLIN | EPOLLOUT)) == 0) [[likely]] {
                became_ready(*d, (e & EPOLLIN) != 0, (e & EPOLLOUT) != 0, false);
                continue;
            }
            if ((e & (EPOLLRDHUP | ends)) == EPOLLRDHUP) d->peer_said_end = true;
            became_ready(*d, (e & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | ends)) != 0,
                         (e & (EPOLLOUT | ends)) != 0, (e & (EPOLLPRI | EPOLLRDHUP | ends)) != 0);
        }
    }

    void add_features(std::vector<kernel_feature>& to) override {
        epoll_event none;
        wait_for(&none, 1, std::chrono::nanoseconds(1));
        to.push_back(
            {"epoll_pwait2", "5.11", precise_, "a sleeping epoll reactor wakes at whole milliseconds"});
    }

  private:
    void watch(descriptor& d) override {
        epoll_event all{};
        all.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
        all.data.ptr = &d;
        if (::epoll_ctl(fd_, EPOLL_CTL_ADD, d.fd, &all) < 0) {
            throw std::system_error(errno, std::system_category(), "epoll_ctl on fd " + std::to_string(d.fd));
        }
    }

    // Explicit, because closing is not enough: a duplicate of the descriptor would keep the registration,
    // whose events would refer to a destroyed object.
    void unwatch(descriptor& d) noexcept override { ::epoll_ctl(fd_, EPOLL_CTL_DEL, d.fd, nullptr); }

    int wait_for(epoll_event* events, int size, duration limit) noexcept {
        if (limit == duration::max()) return ::epoll_wait(fd_, events, size, -1);
        if (limit <= duration::zero()) return ::epoll_wait(fd_, events, size, 0);
        if (precise_) {
            const timespec t = to_timespec(limit);
            const int count = ::epoll_pwait2(fd_, events, size, &t, nullptr);
            kernel_has_written(events, count * std::int64_t{sizeof *events});
            if (count >= 0 || errno == EINTR) return count;
            precise_ = false;  // before Linux 5.11, or a filter refuses it with some error
        }
        return ::epoll_wait(fd_, events, size, to_milliseconds(limit));
    }

    int fd_;
    bool precise_ = true;
};

}  // namespace

std::unique_ptr<demultiplexer> make_epoll(reactor& home, refusal& why) {
    try {
        return std::make_unique<epoll>(home);
    } catch (const std::system_error& e) {
        why = {e.what(), e.code()};
        return nullptr;
    }
}

}  // namespace bight::detail
