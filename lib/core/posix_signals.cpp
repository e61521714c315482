// Signals of POSIX.
#include "handled_signals.hpp"

#include <signal.h>

#include <array>
#include <cstddef>

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

constinit handled_signal interrupt_signal{SIGINT};
constinit handled_signal terminate_signal{SIGTERM};
constinit handled_signal dump_signal{SIGUSR1};

constexpr std::array<handled_signal*, 3> all_handled{&interrupt_signal, &terminate_signal, &dump_signal};

}  // namespace

void use_stop_signals(signal_function f) noexcept {
    interrupt_signal.use(f);
    terminate_signal.use(f);
}
void leave_stop_signals() noexcept {
    interrupt_signal.leave();
    terminate_signal.leave();
}
void use_dump_signal(signal_function f) noexcept { dump_signal.use(f); }
void leave_dump_signal() noexcept { dump_signal.leave(); }

unsigned unblock_signals(bool stops, bool dumps) noexcept {
    sigset_t ours;
    sigset_t before;
    sigemptyset(&ours);
    for (const auto which : all_handled) {
        const bool wanted = which == &dump_signal ? dumps : stops;
        if (wanted && which->installed()) sigaddset(&ours, which->number());
    }
    ::pthread_sigmask(SIG_UNBLOCK, &ours, &before);
    unsigned unblocked = 0;
    for (std::size_t i = 0; i < all_handled.size(); ++i) {
        const int number = all_handled[i]->number();
        if (sigismember(&ours, number) == 1 && sigismember(&before, number) == 1) unblocked |= 1U << i;
    }
    return unblocked;
}

void block_signals_again(unsigned unblocked) noexcept {
    if (unblocked == 0) return;
    sigset_t again;
    sigemptyset(&again);
    for (std::size_t i = 0; i < all_handled.size(); ++i) {
        if ((unblocked >> i & 1) != 0) sigaddset(&again, all_handled[i]->number());
    }
    ::pthread_sigmask(SIG_BLOCK, &again, nullptr);
}

void signal_arrived(int, signal_function) noexcept {}

void leave_to_the_system(int signal) noexcept {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // delivered when the handler has returned
}

}  // namespace bight::detail
