#include <bight/core/run.hpp>

#include "handled_signals.hpp"
#include "process.hpp"
#include "simulated_thread.hpp"
#include "stop_signal.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace bight::detail {

namespace {

struct signal_listener {
    std::atomic<reactor*> stops{nullptr};
    std::atomic<reactor*> dumps{nullptr};
    bool taken = false;
};

// The state that the handlers read: only atomics, no lock.
struct shared {
    std::array<signal_listener, 64> listening{};
    std::atomic<int> in_handler{0};
    std::atomic<int> first{0};
    std::atomic<int> count{0};
    std::atomic<bool> answered{false};
    std::atomic<std::intmax_t> owner{0};  // the process whose reactors these are

    int stopping_users = 0;  // guarded by lock()
};

constinit shared stop_signals;

// For constructors and destructors of signal_stop.
std::mutex& lock() noexcept {
    static std::mutex the_lock;  // not constant-initialised everywhere
    return the_lock;
}

// For a handler: the interrupted code may be about to read errno.
class errno_kept {
  public:
    errno_kept() noexcept = default;
    errno_kept(const errno_kept&) = delete;
    errno_kept& operator=(const errno_kept&) = delete;
    ~errno_kept() { errno = saved_; }

  private:
    int saved_ = errno;
};

// A forked child inherits the handlers, but no reactor that they could stop: until it runs its own reactor,
// signals have their default effect.
bool left_to_the_system(int signal) noexcept {
    if (stop_signals.owner.load() == process_number()) return false;
    leave_to_the_system(signal);
    return true;
}

extern "C" void bight_on_stop_signal(int signal) {
    const errno_kept unchanged;
    signal_arrived(signal, &bight_on_stop_signal);
    if (left_to_the_system(signal)) return;
    const int number = stop_signals.count.fetch_add(1) + 1;
    int none = 0;
    stop_signals.first.compare_exchange_strong(none, signal);
    if (number >= 3) std::_Exit(128 + signal);
    stop_signals.in_handler.fetch_add(1);
    for (auto& place : stop_signals.listening) {
        reactor* r = place.stops.load();
        if (!r) continue;
        if (number == 1) {
            r->stop();
        } else {
            r->stop_now();
        }
    }
    stop_signals.in_handler.fetch_sub(1);
}

extern "C" void bight_on_dump_signal(int signal) {
    const errno_kept unchanged;
    signal_arrived(signal, &bight_on_dump_signal);
    if (left_to_the_system(signal)) return;
    stop_signals.in_handler.fetch_add(1);
    for (auto& place : stop_signals.listening) {
        if (reactor* r = place.dumps.load()) r->request_dump();
    }
    stop_signals.in_handler.fetch_sub(1);
}

}  // namespace

signal_stop::signal_stop(reactor& r, bool stops, bool dumps) : stops_(stops), dumps_(dumps) {
    if ((!stops && !dumps) || simulated_thread::current()) return;  // simulated hosts get no signals
    const std::lock_guard hold(lock());
    if (stop_signals.owner.exchange(process_number()) != process_number()) {
        stop_signals.first = stop_signals.count = 0;  // a parent's
        stop_signals.answered = false;
    }
    for (std::size_t i = 0; i < stop_signals.listening.size() && slot_ < 0; ++i) {
        if (!stop_signals.listening[i].taken) slot_ = static_cast<int>(i);
    }
    if (slot_ < 0) return;  // too many at once: this one gets no signals
    signal_listener& place = stop_signals.listening[static_cast<std::size_t>(slot_)];
    place.taken = true;
    if (dumps) {
        place.dumps = &r;
        use_dump_signal(&bight_on_dump_signal);
    }
    if (stops) {
        place.stops = &r;
        if (stop_signals.stopping_users++ == 0) {
            stop_signals.first = 0;
            stop_signals.count = 0;
            stop_signals.answered = false;
        } else {  // the others may be ending already
            if (stop_signals.count.load() == 1) r.stop();
            if (stop_signals.count.load() > 1) r.stop_now();
        }
        use_stop_signals(&bight_on_stop_signal);
    }
    unblocked_ = unblock_signals(stops, dumps);
}

signal_stop::~signal_stop() {
    if (slot_ < 0) return;
    const std::lock_guard hold(lock());
    signal_listener& place = stop_signals.listening[static_cast<std::size_t>(slot_)];
    place.stops = nullptr;
    place.dumps = nullptr;
    place.taken = false;
    block_signals_again(unblocked_);
    if (dumps_) leave_dump_signal();
    if (stops_) {
        leave_stop_signals();
        --stop_signals.stopping_users;
    }
    // A handler on another thread may have read the slot just before.
    while (stop_signals.in_handler.load() > 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

int received_stop_signal() noexcept {
    if (simulated_thread::current()) return 0;
    const std::lock_guard hold(lock());
    return stop_signals.stopping_users > 0 ? stop_signals.first.load()
                                           : 0;  // that of an earlier run says nothing of this one
}

bool first_to_answer_stop_signal() noexcept { return !stop_signals.answered.exchange(true); }

int signal_stop::received() const noexcept { return slot_ < 0 || !stops_ ? 0 : stop_signals.first.load(); }

}  // namespace bight::detail
