#include <bight/core/run.hpp>

#include "simulated_thread.hpp"
#include "stop_signal.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <mutex>

namespace bight::detail {

namespace {

// A signal that bight handles while a signal_stop wants it, unless the program has set its own handler.
class handled_signal {
  public:
    constexpr explicit handled_signal(int number) noexcept : number_(number) {}

    void use(void (*handler)(int)) noexcept {
        if (users_++ > 0) return;
        ::sigaction(number_, nullptr, &before_);
        installed_ = !(before_.sa_flags & SA_SIGINFO) && before_.sa_handler == SIG_DFL;
        if (!installed_) return;
        ours_ = handler;
        struct sigaction ours{};
        ours.sa_handler = handler;
        ours.sa_flags = SA_RESTART;
        sigemptyset(&ours.sa_mask);
        ::sigaction(number_, &ours, nullptr);
    }
    void leave() noexcept {
        if (--users_ == 0 && installed_ && is_still_ours()) ::sigaction(number_, &before_, nullptr);
    }
    int number() const noexcept { return number_; }
    bool installed() const noexcept { return installed_; }

  private:
    // False once the program has set its own handler.
    bool is_still_ours() const noexcept {
        struct sigaction now{};
        ::sigaction(number_, nullptr, &now);
        return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == ours_;
    }

    int number_;
    int users_ = 0;
    bool installed_ = false;
    void (*ours_)(int) = nullptr;
    struct sigaction before_{};
};

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
    std::atomic<pid_t> owner{0};  // the process whose reactors these are

    std::mutex lock;  // for constructors and destructors of signal_stop
    int stopping_users = 0;
    handled_signal interrupt{SIGINT};
    handled_signal terminate{SIGTERM};
    handled_signal dump{SIGUSR1};
};

constinit shared all;

constexpr std::array<handled_signal shared::*, 3> handled{&shared::interrupt, &shared::terminate,
                                                          &shared::dump};

// Unblocks the signals: a supervisor, or a runtime of another language, may have started this program with
// them blocked, and then they would stay pending for ever. Returns those that were blocked, one bit each.
unsigned unblock(bool stops, bool dumps) noexcept {
    sigset_t ours;
    sigset_t before;
    sigemptyset(&ours);
    for (const auto which : handled) {
        const bool wanted = which == &shared::dump ? dumps : stops;
        if (wanted && (all.*which).installed()) sigaddset(&ours, (all.*which).number());
    }
    ::pthread_sigmask(SIG_UNBLOCK, &ours, &before);
    unsigned unblocked = 0;
    for (std::size_t i = 0; i < handled.size(); ++i) {
        const int number = (all.*handled[i]).number();
        if (sigismember(&ours, number) == 1 && sigismember(&before, number) == 1) unblocked |= 1U << i;
    }
    return unblocked;
}

void block_again(unsigned unblocked) noexcept {
    if (unblocked == 0) return;
    sigset_t again;
    sigemptyset(&again);
    for (std::size_t i = 0; i < handled.size(); ++i) {
        if ((unblocked >> i & 1) != 0) sigaddset(&again, (all.*handled[i]).number());
    }
    ::pthread_sigmask(SIG_BLOCK, &again, nullptr);
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
    if (all.owner.load() == ::getpid()) return false;
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // delivered when the handler has returned
    return true;
}

extern "C" void bight_on_stop_signal(int signal) {
    const errno_kept unchanged;
    if (left_to_the_system(signal)) return;
    const int number = all.count.fetch_add(1) + 1;
    int none = 0;
    all.first.compare_exchange_strong(none, signal);
    if (number >= 3) ::_exit(128 + signal);
    all.in_handler.fetch_add(1);
    for (auto& place : all.listening) {
        reactor* r = place.stops.load();
        if (!r) continue;
        if (number == 1) {
            r->stop();
        } else {
            r->stop_now();
        }
    }
    all.in_handler.fetch_sub(1);
}

extern "C" void bight_on_dump_signal(int signal) {
    const errno_kept unchanged;
    if (left_to_the_system(signal)) return;
    all.in_handler.fetch_add(1);
    for (auto& place : all.listening) {
        if (reactor* r = place.dumps.load()) r->request_dump();
    }
    all.in_handler.fetch_sub(1);
}

}  // namespace

signal_stop::signal_stop(reactor& r, bool stops, bool dumps) : stops_(stops), dumps_(dumps) {
    if ((!stops && !dumps) || simulated_thread::current()) return;  // simulated hosts get no signals
    const std::lock_guard hold(all.lock);
    if (all.owner.exchange(::getpid()) != ::getpid()) {
        all.first = all.count = 0;  // a parent's
        all.answered = false;
    }
    for (std::size_t i = 0; i < all.listening.size() && slot_ < 0; ++i) {
        if (!all.listening[i].taken) slot_ = static_cast<int>(i);
    }
    if (slot_ < 0) return;  // too many at once: this one gets no signals
    signal_listener& place = all.listening[static_cast<std::size_t>(slot_)];
    place.taken = true;
    if (dumps) {
        place.dumps = &r;
        all.dump.use(&bight_on_dump_signal);
    }
    if (stops) {
        place.stops = &r;
        if (all.stopping_users++ == 0) {
            all.first = 0;
            all.count = 0;
            all.answered = false;
        } else {  // the others may be ending already
            if (all.count.load() == 1) r.stop();
            if (all.count.load() > 1) r.stop_now();
        }
        all.interrupt.use(&bight_on_stop_signal);
        all.terminate.use(&bight_on_stop_signal);
    }
    unblocked_ = unblock(stops, dumps);
}

signal_stop::~signal_stop() {
    if (slot_ < 0) return;
    const std::lock_guard hold(all.lock);
    signal_listener& place = all.listening[static_cast<std::size_t>(slot_)];
    place.stops = nullptr;
    place.dumps = nullptr;
    place.taken = false;
    block_again(unblocked_);
    if (dumps_) all.dump.leave();
    if (stops_) {
        all.interrupt.leave();
        all.terminate.leave();
        --all.stopping_users;
    }
    // A handler on another thread may have read the slot just before.
    while (all.in_handler.load() > 0) ::usleep(100);
}

int received_stop_signal() noexcept {
    if (simulated_thread::current()) return 0;
    const std::lock_guard hold(all.lock);
    return all.stopping_users > 0 ? all.first.load() : 0;  // that of an earlier run says nothing of this one
}

bool first_to_answer_stop_signal() noexcept { return !all.answered.exchange(true); }

int signal_stop::received() const noexcept { return slot_ < 0 || !stops_ ? 0 : all.first.load(); }

}  // namespace bight::detail
