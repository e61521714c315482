#include <bight/core/run.hpp>

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>

namespace bight::detail {

namespace {

constexpr std::array<int, 2> signals{SIGINT, SIGTERM};

// What the handler reads: only atomics, no lock.
struct shared {
    std::array<std::atomic<reactor*>, 64> listening{};
    std::atomic<int> in_handler{0};
    std::atomic<int> first{0};
    std::atomic<int> count{0};

    std::mutex lock;  // for those who come and go
    int users = 0;
    std::array<struct sigaction, signals.size()> before{};
    std::array<bool, signals.size()> installed{};
};

constinit shared all;

extern "C" void bight_on_signal(int signal) {
    const int saved = errno;
    const int number = all.count.fetch_add(1) + 1;
    int none = 0;
    all.first.compare_exchange_strong(none, signal);
    if (number >= 3) ::_exit(128 + signal);
    all.in_handler.fetch_add(1);
    for (auto& place : all.listening) {
        reactor* r = place.load();
        if (!r) continue;
        if (number == 1) {
            r->stop();
        } else {
            r->stop_now();
        }
    }
    all.in_handler.fetch_sub(1);
    errno = saved;
}

}  // namespace

signal_stop::signal_stop(reactor& r, bool enabled) {
    if (!enabled) return;
    const std::lock_guard hold(all.lock);
    for (std::size_t i = 0; i < all.listening.size() && slot_ < 0; ++i) {
        if (!all.listening[i].load()) {
            all.listening[i] = &r;
            slot_ = static_cast<int>(i);
        }
    }
    if (slot_ < 0) return;  // too many at once: this one is not told
    if (all.users++ > 0) {
        // The others are ending already.
        if (all.count.load() == 1) r.stop();
        if (all.count.load() > 1) r.stop_now();
        return;
    }
    all.first = 0;
    all.count = 0;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        ::sigaction(signals[i], nullptr, &all.before[i]);
        all.installed[i] = !(all.before[i].sa_flags & SA_SIGINFO) && all.before[i].sa_handler == SIG_DFL;
        if (!all.installed[i]) continue;
        struct sigaction ours{};
        ours.sa_handler = &bight_on_signal;
        ours.sa_flags = SA_RESTART;
        ::sigemptyset(&ours.sa_mask);
        ::sigaction(signals[i], &ours, nullptr);
    }
}

signal_stop::~signal_stop() {
    if (slot_ < 0) return;
    const std::lock_guard hold(all.lock);
    all.listening[static_cast<std::size_t>(slot_)] = nullptr;
    if (--all.users == 0) {
        for (std::size_t i = 0; i < signals.size(); ++i) {
            if (all.installed[i]) ::sigaction(signals[i], &all.before[i], nullptr);
        }
    }
    // A handler on another thread may have read the slot just before.
    while (all.in_handler.load() > 0) ::usleep(100);
}

int signal_stop::received() const noexcept { return slot_ < 0 ? 0 : all.first.load(); }

}  // namespace bight::detail
