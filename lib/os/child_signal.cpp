#include "child_signal.hpp"

#include "../core/process.hpp"
#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
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

// Signal-safe: atomics, and waker::wake.
void child_ended(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    handlers_running.fetch_add(1);
    for (place* p = places.load(); p; p = p->next) {
        if (waker* const w = p->wakes.load()) w->wake();
    }
    handlers_running.fetch_sub(1);
    errno = error;
    if ((handler_before.sa_flags & SA_SIGINFO) != 0) {
        handler_before.sa_sigaction(signal, info, context);
    } else if (handler_before.sa_handler != SIG_DFL && handler_before.sa_handler != SIG_IGN) {
        handler_before.sa_handler(signal);
    }
    errno = error;
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
        if (reactor_state::in_forked_child(s.home_)) return;
        const std::lock_guard hold(lock_);
        list_.remove(s);
        for (place* p = places.load(); p; p = p->next) {
            if (p->wakes.load() == &s.waker_) p->wakes.store(nullptr);
        }
        // A handler that has read it before is not interrupted for long. (On this thread it is over.)
        while (handlers_running.load() > 0) std::this_thread::yield();
        if (!list_.front()) uninstall();
    }

  private:
    void before_fork() noexcept override { lock_.lock(); }
    void in_parent() noexcept override { lock_.unlock(); }
    // The others' wakers are shared with the parent.
    void in_child() noexcept override {
        std::construct_at(&lock_);
        for (place* p = places.load(); p; p = p->next) p->wakes.store(nullptr);
        handlers_running.store(0);
        std::construct_at(&list_);
        uninstall();
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
        struct sigaction now{};
        ::sigaction(SIGCHLD, nullptr, &now);
        if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN) {
            throw std::system_error(
                errc::unavailable,
                "process: without pidfds (Linux 5.4) the program must not ignore SIGCHLD: "
                "the kernel would reap its children");
        }
        if (below_another_) return;  // which still calls ours
        handler_before = now;
        struct sigaction ours{};
        ours.sa_sigaction = child_ended;
        ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP | (now.sa_flags & SA_ONSTACK);
        sigemptyset(&ours.sa_mask);
        ::sigaction(SIGCHLD, &ours, nullptr);
    }

    // Another handler that was installed since may call ours: then ours stays.
    void uninstall() noexcept {
        struct sigaction now{};
        ::sigaction(SIGCHLD, nullptr, &now);
        const bool is_ours = (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == child_ended;
        below_another_ = !is_ours;
        if (is_ours) ::sigaction(SIGCHLD, &handler_before, nullptr);
    }

    std::mutex lock_;
    intrusive_list<child_signal> list_;
    bool below_another_ = false;
    fork_watch forks_{*this};
};

child_signal& child_signal::of(reactor& home) {
    child_signal& found = child_signals::all().of(home);
    if (found.demux) return found;
    try {
        // The waker has its own, and closes it after the demultiplexer.
        found.fd = ::fcntl(found.waker_.descriptor(), F_DUPFD_CLOEXEC, 0);
        if (found.fd < 0) throw std::system_error(system_error_code(errno), "process: SIGCHLD");
        found.is_non_blocking = true;
        demultiplexer_of(home).attach(found);
    } catch (...) {
        if (found.fd >= 0) ::close(std::exchange(found.fd, -1));
        found.end();
        throw;
    }
    while (!found.wait()) found.look();
    return found;
}

void child_signal::add(child_process& c) noexcept { children_.push_front(c); }

void child_signal::remove(child_process& c) noexcept {
    children_.remove(c);
    if (!children_.front() && !looking_) end();
}

// False when it was raised meanwhile.
bool child_signal::wait() noexcept { return !demux->start(wait_) || wait_.result < 0; }

void child_signal::raised() noexcept {
    if (std::exchange(abandoned_, false)) drop();
    if (ended_ || !demux || wait_.result < 0) return;
    keep();
    do {
        look();
    } while (children_.front() && !wait());
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
