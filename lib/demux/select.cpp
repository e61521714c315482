#include "system_sockets.hpp"
#include "time_limit.hpp"
#include "woken_readiness.hpp"

#include <bight/core/error.hpp>

#include <fcntl.h>
#include <sys/select.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>
#include <vector>

namespace bight::detail {

namespace {

// select(2): three bit sets, for descriptors below FD_SETSIZE (1024) only.
class select_demultiplexer final : public woken_readiness {
  public:
    explicit select_demultiplexer(reactor& home) : woken_readiness(home, true), owners_(FD_SETSIZE, nullptr) {
        if (wake_descriptor() >= FD_SETSIZE) {
            throw std::system_error(EMFILE, std::system_category(),
                                    "select: no descriptor below 1024 is free");
        }
        FD_ZERO(&read_);
        FD_ZERO(&write_);
        FD_SET(wake_descriptor(), &read_);
        highest_ = wake_descriptor();
    }

    std::string_view name() const noexcept override { return "select"; }
    int watches_below() const noexcept override { return FD_SETSIZE; }

    void wait(duration limit) override {
        if (looked_at_ > 0) limit = std::min(limit, between_looks);
        wait_for(limit);
        if (looked_at_ > 0) look_for_ends();
    }

  private:
    // The end of a peer behind unread bytes makes no descriptor ready: it is looked for this often.
    static constexpr duration between_looks = std::chrono::milliseconds(100);

    void wait_for(duration limit) {
        timespec t{};
        timespec* timeout = nullptr;
        if (limit != duration::max()) {
            t = to_timespec(limit);
            timeout = &t;
        }
        fd_set readable = read_;
        fd_set writable = write_;
        int left = ::pselect(highest_ + 1, &readable, &writable, nullptr, timeout, nullptr);
        if (left < 0) {
            if (errno == EINTR) return;
            if (errno == EBADF && evict_closed()) return;
            throw std::system_error(errno, std::system_category(), "select");
        }
        for (int fd = 0; left > 0 && fd <= highest_; ++fd) {
            const bool in = FD_ISSET(fd, &readable);
            const bool out = FD_ISSET(fd, &writable);
            left -= in + out;
            if (fd == wake_descriptor()) {
                if (in) woken(false);
            } else if (in || out) {
                descriptor& d = *owners_[static_cast<std::size_t>(fd)];
                became_ready(d, in, out, false);
                if (in && d.ending) look_for_end(d);
            }
        }
    }

    void watch(descriptor& d) override {
        if (d.fd >= FD_SETSIZE) {
            throw std::system_error(
                EMFILE, std::system_category(),
                "select cannot watch fd " + std::to_string(d.fd) +
                    ": it holds descriptors below 1024 only; use poll, epoll or io_uring (BIGHT_REACTOR)");
        }
        if (count() + 1 > slow_above && !warned_) {
            warned_ = true;
            log(log_level::warning,
                "select holds more than 1000 descriptors: its cost grows with their number; use epoll or "
                "io_uring");
        }
        owners_[static_cast<std::size_t>(d.fd)] = &d;
        if (d.fd > highest_) highest_ = d.fd;
    }

    void unwatch(descriptor& d) noexcept override {
        stop_looking(d);
        FD_CLR(d.fd, &read_);
        FD_CLR(d.fd, &write_);
        owners_[static_cast<std::size_t>(d.fd)] = nullptr;
        while (highest_ > wake_descriptor() && !owners_[static_cast<std::size_t>(highest_)]) --highest_;
    }

    void interest_changed(descriptor& d) noexcept override {
        if (waits_to_read(d) || (d.ending && d.slot != looked_at)) {
            FD_SET(d.fd, &read_);
        } else {
            FD_CLR(d.fd, &read_);
        }
        if (waits_to_write(d)) {
            FD_SET(d.fd, &write_);
        } else {
            FD_CLR(d.fd, &write_);
        }
    }

    bool ending_changed(descriptor& d) noexcept override {
        stop_looking(d);
        return woken_readiness::ending_changed(d);
    }

    // Ready to read: that is the end, or bytes; with bytes the descriptor stays ready, and waiting for that
    // would not be waiting.
    void look_for_end(descriptor& d) noexcept {
        if (system_sockets::state_of_peer(d.fd) != socket_calls::peer_state::there) {
            stop_looking(d);
            peer_ended(d);
        } else if (d.slot != looked_at) {
            d.slot = looked_at;
            ++looked_at_;
            interest_changed(d);
        }
    }
    void look_for_ends() noexcept {
        for (descriptor& d : descriptors()) {
            if (d.slot == looked_at) look_for_end(d);
        }
    }
    void stop_looking(descriptor& d) noexcept {
        if (d.slot != looked_at) return;
        d.slot = -1;
        --looked_at_;
    }

    // select refuses the whole set when a descriptor in it was closed behind our back: operations that wait
    // for that one get EBADF, the others go on.
    bool evict_closed() noexcept {
        bool any = false;
        for (descriptor& d : descriptors()) {
            if (::fcntl(d.fd, F_GETFD) < 0 && errno == EBADF &&
                (waits_to_read(d) || waits_to_write(d) || d.ending)) {
                any = true;
                became_ready(d, true, true, false);
                stop_looking(d);
                peer_ended(d);
            }
        }
        return any;
    }

    fd_set read_;
    fd_set write_;
    int highest_ = -1;
    std::vector<descriptor*> owners_;    // indexed by descriptor
    static constexpr int looked_at = 0;  // in descriptor::slot
    std::size_t looked_at_ = 0;          // how many are
    bool warned_ = false;
};

}  // namespace

std::unique_ptr<demultiplexer> make_select(reactor& home, refusal& why) {
    try {
        return std::make_unique<select_demultiplexer>(home);
    } catch (const std::system_error& e) {
        why = {e.what(), e.code()};
        return nullptr;
    }
}

}  // namespace bight::detail
