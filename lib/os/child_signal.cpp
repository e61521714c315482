#include "child_signal.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace bight::detail {

namespace {

// A waker that the handler wakes. Never freed, for a handler may be reading it; used again.
struct place {
    std::atomic<waker*> wakes{nullptr};
    place* next = nullptr;
};

std::atomic<place*> places{nullptr};
std::atomic<int> handlers_running{0};
struct sigaction handler_before{};  // written only while ours is not installed
// What was there before, when ours was installed again above one that may call ours.
struct sigaction handler_under{};

#if defined(__linux__)
[[gnu::tls_model("initial-exec")]]  // a handler must not make the variables of its thread
#endif
thread_local volatile std::sig_atomic_t handler_depth = 0;

void call(const struct sigaction& handler, int signal, siginfo_t* info, void* context) {
    if ((handler.sa_flags & SA_SIGINFO) != 0) {
        handler.sa_sigaction(signal, info, context);
    } else if (handler.sa_handler != SIG_DFL && handler.sa_handler != SIG_IGN) {
        handler.sa_handler(signal);
    }
}

// Signal-safe: atomics, and waker::wake.
void child_ended(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    handlers_running.fetch_add(1);
    for (place* p = places.load(); p; p = p->next) {
        if (waker* const w = p->wakes.load()) w->wake();
    }
    const std::sig_atomic_t called = handler_depth;  // by itself, through the one that was there before
    const struct sigaction next = called == 0 ? handler_before : handler_under;
    handlers_running.fetch_sub(1);
    errno = error;
    if (called < 2) {
        handler_depth = called + 1;
        call(next, signal, info, context);
        handler_depth = called;
    }
    errno = error;
}

// One on another thread is not interrupted for long; on this thread it is over.
void await_handlers() noexcept {
    while (handlers_running.load() > 0) std::this_thread::yield();
}

bool is_ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == child_ended;
}

struct sigaction present_action() noexcept {
    struct sigaction now{};
    ::sigaction(SIGCHLD, nullptr, &now);
    return now;
}

}  // namespace

// All of them, and the handler, which is there while there are any.
class child_signals final : private fork_aware {
  public:
    // Never destroyed: reactors may outlive static objects.
    static child_signals& all() {
        static auto* const the_only = new child_signals;
        return *the_only;
    }

    child_signal& of(reactor& home) {
        const std::lock_guard hold(lock_);
        for (child_signal& s : list_) {
            if (&s.home_ == &home) return s;
        }
        struct unref {
            void operator()(child_signal* s) const noexcept { s->drop(); }
        };
        std::unique_ptr<child_signal, unref> made(new child_signal(home));
        place& mine = free_place();
        if (!list_.front()) install();
        mine.wakes.store(&made->waker_);
        list_.push_front(*made);
        return *made.release();
    }

    void remove(child_signal& s) noexcept {
        if (s.made_in_ != this_process()) return;
        const std::lock_guard hold(lock_);
        list_.remove(s);
        for (place* p = places.load(); p; p = p->next) {
            if (p->wakes.load() == &s.waker_) p->wakes.store(nullptr);
        }
        await_handlers();
        if (!list_.front()) uninstall();
    }

  private:
    void before_fork() noexcept override { lock_.lock(); }
    void in_parent() noexcept override { lock_.unlock(); }
    // The others' wakers are shared with the parent.
    void in_child() noexcept override {
        for (place* p = places.load(); p; p = p->next) p->wakes.store(nullptr);
        handlers_running.store(0);
        std::construct_at(&list_);
        uninstall();
        lock_.unlock();
    }

    static place& free_place() {
        for (place* p = places.load(); p; p = p->next) {
            if (!p->wakes.load()) return *p;
        }
        auto* const made = new place;
        made->next = places.load();
        places.store(made);
        return *made;
    }

    void install() {
        child_signal::check();
        const struct sigaction now = present_action();
        if (is_ours(now)) return;
        await_handlers();
        is_above_another_ = below_another_;
        if (is_above_another_) handler_under = handler_before;
        handler_before = now;
        struct sigaction ours = now;  // what it says of stops, restarts, stacks and masks stays
        const bool is_default = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
        ours.sa_sigaction = child_ended;
        ours.sa_flags = is_default ? SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP : now.sa_flags | SA_SIGINFO;
        ours.sa_flags &= ~static_cast<int>(SA_RESETHAND);
        ::sigaction(SIGCHLD, &ours, nullptr);
    }

    // Another handler that was installed since may call ours: then ours stays.
    void uninstall() noexcept {
        below_another_ = !is_ours(present_action());
        if (below_another_) return;
        ::sigaction(SIGCHLD, &handler_before, nullptr);
        if (!std::exchange(is_above_another_, false)) return;
        below_another_ = true;
        await_handlers();
        handler_before = handler_under;
    }

    std::mutex lock_;
    intrusive_list<child_signal> list_;
    bool below_another_ = false;     // ours is not the present one, which may call it
    bool is_above_another_ = false;  // ours is the present one, and that which it calls may call ours
    fork_watch forks_{*this};
};

void child_signal::check() {
    const struct sigaction now = present_action();
    const bool ignored = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN;
    if (ignored || (now.sa_flags & SA_NOCLDWAIT) != 0) {
        throw std::system_error(
            errc::unavailable,
            "process: without pidfds (Linux 5.4) the program must not ignore SIGCHLD, nor "
            "say SA_NOCLDWAIT: the kernel would reap its children");
    }
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    if (sigismember(&blocked, SIGCHLD) == 1) {
        throw std::system_error(
            errc::unavailable,
            "process: without pidfds (Linux 5.4) the thread of the reactor must not block "
            "SIGCHLD: no end would be noticed");
    }
}

child_signal& child_signal::of(reactor& home) {
    child_signal& found = child_signals::all().of(home);
    if (found.demux) return found;
    try {
        // The waker has its own, and closes it after the demultiplexer.
        found.fd = ::fcntl(found.waker_.descriptor(), F_DUPFD_CLOEXEC, 3);
        if (found.fd < 0) throw std::system_error(system_error_code(errno), "process: SIGCHLD");
        found.is_non_blocking = true;
        demultiplexer_of(home).attach(found);
    } catch (...) {
        if (found.fd >= 0) ::close(std::exchange(found.fd, -1));
        found.end();
        throw;
    }
    int error = 0;
    while ((error = found.wait()) == EAGAIN) found.look();
    if (error == 0) return found;
    found.end();
    throw std::system_error(system_error_code(error), "process: SIGCHLD");
}

void child_signal::add(child_process& c) noexcept { children_.push_front(c); }

void child_signal::remove(child_process& c) noexcept {
    children_.remove(c);
    if (!children_.front() && !looking_) end();
}

// 0: it waits. EAGAIN: it was raised meanwhile. Otherwise why it cannot wait.
int child_signal::wait() noexcept {
    if (!demux->start(wait_)) return 0;
    return wait_.result < 0 ? wait_.error() : EAGAIN;
}

void child_signal::lose_all(int error) noexcept {
    looking_ = true;
    while (child_process* const c = children_.front()) c->lose(error);
    looking_ = false;
}

void child_signal::raised() noexcept {
    if (std::exchange(abandoned_, false)) drop();
    if (ended_ || !demux) return;
    keep();
    int error = wait_.result < 0 ? wait_.error() : EAGAIN;
    while (error == EAGAIN) {
        look();
        error = children_.front() ? wait() : 0;
    }
    if (error != 0) lose_all(error);
    if (!children_.front()) end();
    drop();
}

// The drain comes first: what ends after it wakes again.
void child_signal::look() noexcept {
    waker_.drain();
    looking_ = true;
    child_process* next = children_.front();
    while (child_process* const c = next) {
        next = children_.next(*c);
        c->look();
    }
    looking_ = false;
}

void child_signal::end() noexcept {
    if (std::exchange(ended_, true)) return;
    child_signals::all().remove(*this);
    if (demux) demux->detach(*this, true);
    drop();
}

// The demultiplexer goes on to detach it, which completes the wait.
void child_signal::abandoned() noexcept {
    while (child_process* const c = children_.front()) {
        children_.remove(*c);
        c->reactor_goes();
    }
    if (std::exchange(ended_, true)) return;
    child_signals::all().remove(*this);
    abandoned_ = true;
}

}  // namespace bight::detail
