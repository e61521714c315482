#include "process.hpp"

#include <pthread.h>
#include <unistd.h>

#include <mutex>

namespace bight::detail {

struct fork_watches {
    std::mutex lock;  // held across a fork
    intrusive_list<fork_watch> list;
    unsigned generation = 1;  // changed only in a forked child, which has one thread

    fork_watches() noexcept {
        ::pthread_atfork([] { all().before_fork(); }, [] { all().in_parent(); }, [] { all().in_child(); });
    }

    // Never destroyed, since static pools might outlive it.
    static fork_watches& all() noexcept {
        static auto* const the_only = new fork_watches;
        return *the_only;
    }

    void add(fork_watch& w) noexcept {
        const std::lock_guard hold(lock);
        list.push_front(w);
    }
    void remove(fork_watch& w) noexcept {
        const std::lock_guard hold(lock);
        w.listed_ = false;
        list.remove(w);
    }

    void before_fork() noexcept {
        lock.lock();
        for (const fork_watch& w : list) w.of_.before_fork();
    }
    void in_parent() noexcept {
        for (const fork_watch& w : list) w.of_.in_parent();
        lock.unlock();
    }
    void in_child() noexcept {
        ++generation;
        lock.unlock();
        for (const fork_watch& w : list) w.of_.in_child();
    }
};

unsigned this_process() noexcept { return fork_watches::all().generation; }

std::intmax_t process_number() noexcept { return ::getpid(); }

fork_watch::fork_watch(fork_aware& of) noexcept : of_(of) { fork_watches::all().add(*this); }
void fork_watch::end() noexcept {
    if (listed_) fork_watches::all().remove(*this);
}

}  // namespace bight::detail
