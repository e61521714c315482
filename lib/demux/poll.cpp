#include "time_limit.hpp"
#include "woken_readiness.hpp"

#include <bight/core/error.hpp>

#include <poll.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

namespace bight::detail {

namespace {

// poll(2), level-triggered. The table holds only the descriptors with waiting operations, so an idle
// connection costs only while it is awaited.
class poll_demultiplexer final : public woken_readiness {
  public:
    explicit poll_demultiplexer(reactor& home) : woken_readiness(home, true) {
        entries_.push_back({wake_descriptor(), POLLIN, 0});
        owners_.push_back(nullptr);
    }

    std::string_view name() const noexcept override { return "poll"; }

    void wait(duration limit) override {
        int left = wait_for(limit);
        if (left < 0) {
            if (errno == EINTR) return;
            throw std::system_error(errno, std::system_category(), what_failed(errno));
        }
        if (left > 0 && entries_[0].revents) {
            woken(false);
            --left;
        }
        // Backwards, because an entry that is removed is replaced by the last one, which has been handled
        // already.
        for (std::size_t i = entries_.size(); left > 0 && i > 1; --i) {
            const short e = entries_[i - 1].revents;
            if (!e) continue;
            --left;
            constexpr int ends = POLLHUP | POLLERR | POLLNVAL;
            descriptor& d = *owners_[i - 1];
            became_ready(d, (e & (POLLIN | ends)) != 0, (e & (POLLOUT | ends)) != 0, false);
            if ((e & (POLLRDHUP | ends)) != 0) peer_ended(d);
        }
    }

    void add_features(std::vector<kernel_feature>& to) override {
        wait_for(std::chrono::nanoseconds(1));
        to.push_back({"ppoll", "2.6.16", precise_, "a sleeping poll reactor wakes at whole milliseconds"});
    }

  private:
    void watch(descriptor& d) override {
        d.slot = -1;
        entries_.reserve(count() + 2);  // so that interest_changed allocates nothing
        owners_.reserve(count() + 2);
        if (count() + 1 > slow_above && !warned_) {
            warned_ = true;
            log(log_level::warning,
                "poll holds more than 1000 descriptors: its cost grows with their number; use epoll or "
                "io_uring");
        }
    }
    void unwatch(descriptor& d) noexcept override { remove(d); }

    void interest_changed(descriptor& d) noexcept override {
        const int events =
            (waits_to_read(d) ? POLLIN : 0) | (waits_to_write(d) ? POLLOUT : 0) | (d.ending ? POLLRDHUP : 0);
        if (events == 0) {
            remove(d);
            return;
        }
        if (d.slot < 0) {
            d.slot = static_cast<int>(entries_.size());
            entries_.push_back({d.fd, 0, 0});
            owners_.push_back(&d);
        }
        entries_[static_cast<std::size_t>(d.slot)].events = static_cast<short>(events);
    }

    void remove(descriptor& d) noexcept {
        if (d.slot < 0) return;
        const auto at = static_cast<std::size_t>(d.slot);
        entries_[at] = entries_.back();
        owners_[at] = owners_.back();
        if (owners_[at]) owners_[at]->slot = d.slot;
        entries_.pop_back();
        owners_.pop_back();
        d.slot = -1;
    }

    // The kernel takes no longer list than the process may have descriptors, as if it were badly formed.
    std::string what_failed(int error) const {
        rlimit now{};
        ::getrlimit(RLIMIT_NOFILE, &now);
        if (error != EINVAL || entries_.size() <= now.rlim_cur) return "poll";
        return "poll: " + std::to_string(entries_.size()) +
               " descriptors are waited for, and RLIMIT_NOFILE is " + std::to_string(now.rlim_cur) +
               " now: do not lower it below what is open, or use epoll or io_uring";
    }

    int wait_for(duration limit) noexcept {
        const auto size = static_cast<nfds_t>(entries_.size());
        if (limit == duration::max()) return ::poll(entries_.data(), size, -1);
        if (limit <= duration::zero()) return ::poll(entries_.data(), size, 0);
        if (precise_) {
            const timespec t = to_timespec(limit);
            const int count = ::ppoll(entries_.data(), size, &t, nullptr);
            if (count >= 0 || errno == EINTR) return count;
            precise_ = false;  // a filter refuses it
        }
        return ::poll(entries_.data(), size, to_milliseconds(limit));
    }

    std::vector<pollfd> entries_;      // [0] is the waker
    std::vector<descriptor*> owners_;  // of entries_
    bool warned_ = false;
    bool precise_ = true;
};

}  // namespace

std::unique_ptr<demultiplexer> make_poll(reactor& home, refusal& why) {
    try {
        return std::make_unique<poll_demultiplexer>(home);
    } catch (const std::system_error& e) {
        why = {e.what(), e.code()};
        return nullptr;
    }
}

}  // namespace bight::detail
