#include <bight/core/run.hpp>

#include "process.hpp"
#include "signal_receiver.hpp"
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
#include <span>
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

constinit shared stopped_runs;

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
    if (stopped_runs.owner.load() == process_number()) return false;
    leave_to_the_system(signal);
    return true;
}

extern "C" void bight_on_stop_signal(int signal) {
    const errno_kept unchanged;
    if (left_to_the_system(signal)) return;
    const int number = stopped_runs.count.fetch_add(1) + 1;
    int none = 0;
    stopped_runs.first.compare_exchange_strong(none, signal);
    if (number >= 3) std::_Exit(128 + signal);
    stopped_runs.in_handler.fetch_add(1);
    for (auto& place : stopped_runs.listening) {
        reactor* r = place.stops.load();
        if (!r) continue;
        if (number == 1) {
            r->stop();
        } else {
            r->stop_now();
        }
    }
    stopped_runs.in_handler.fetch_sub(1);
}

extern "C" void bight_on_dump_signal(int signal) {
    const errno_kept unchanged;
    if (left_to_the_system(signal)) return;
    stopped_runs.in_handler.fetch_add(1);
    for (auto& place : stopped_runs.listening) {
        if (reactor* r = place.dumps.load()) r->request_dump();
    }
    stopped_runs.in_handler.fetch_sub(1);
}

// The bit of a signal in signal_stop::unblocked_: those that stop, in their order, and then that of a dump.
unsigned bit_of(std::size_t index) noexcept { return 1U << index; }

// Gives its bit, if it was blocked.
unsigned take_over(int number, signal_function f, std::size_t index) noexcept {
    return handle_signal_in_run(number, f) && unblock_signal(number) ? bit_of(index) : 0;
}

}  // namespace

signal_stop::signal_stop(reactor& r, bool stops, bool dumps) : stops_(stops), dumps_(dumps) {
    if ((!stops && !dumps) || simulated_thread::current()) return;  // simulated hosts get no signals
    const std::lock_guard hold(lock());
    if (stopped_runs.owner.exchange(process_number()) != process_number()) {
        stopped_runs.first = stopped_runs.count = 0;  // a parent's
        stopped_runs.answered = false;
    }
    for (std::size_t i = 0; i < stopped_runs.listening.size() && slot_ < 0; ++i) {
        if (!stopped_runs.listening[i].taken) slot_ = static_cast<int>(i);
    }
    if (slot_ < 0) return;  // too many at once: this one gets no signals
    signal_listener& place = stopped_runs.listening[static_cast<std::size_t>(slot_)];
    place.taken = true;
    const std::span<const int> stopping = stop_signals();
    if (dumps && dump_signal() != 0) {
        place.dumps = &r;
        unblocked_ |= take_over(dump_signal(), &bight_on_dump_signal, stopping.size());
    }
    if (stops) {
        place.stops = &r;
        if (stopped_runs.stopping_users++ == 0) {
            stopped_runs.first = 0;
            stopped_runs.count = 0;
            stopped_runs.answered = false;
        } else {  // the others may be ending already
            if (stopped_runs.count.load() == 1) r.stop();
            if (stopped_runs.count.load() > 1) r.stop_now();
        }
        for (std::size_t i = 0; i < stopping.size(); ++i) {
            unblocked_ |= take_over(stopping[i], &bight_on_stop_signal, i);
        }
    }
}

signal_stop::~signal_stop() {
    if (slot_ < 0) return;
    const std::lock_guard hold(lock());
    signal_listener& place = stopped_runs.listening[static_cast<std::size_t>(slot_)];
    place.stops = nullptr;
    place.dumps = nullptr;
    place.taken = false;
    const std::span<const int> stopping = stop_signals();
    const auto leave = [&](int number, std::size_t index) {
        if ((unblocked_ & bit_of(index)) != 0) block_signal(number);
        leave_signal_in_run(number);
    };
    if (dumps_ && dump_signal() != 0) leave(dump_signal(), stopping.size());
    if (stops_) {
        for (std::size_t i = 0; i < stopping.size(); ++i) leave(stopping[i], i);
        --stopped_runs.stopping_users;
    }
    // A handler on another thread may have read the slot just before.
    while (stopped_runs.in_handler.load() > 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

int received_stop_signal() noexcept {
    if (simulated_thread::current()) return 0;
    const std::lock_guard hold(lock());
    return stopped_runs.stopping_users > 0 ? stopped_runs.first.load()
                                           : 0;  // that of an earlier run says nothing of this one
}

bool first_to_answer_stop_signal() noexcept { return !stopped_runs.answered.exchange(true); }

int signal_stop::received() const noexcept { return slot_ < 0 || !stops_ ? 0 : stopped_runs.first.load(); }

}  // namespace bight::detail
