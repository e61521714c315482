#include <bight/core/parking.hpp>

#include "environment.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>

namespace bight::detail {

struct thread_lock::contents {
    std::mutex lock;
};

thread_lock::thread_lock() : contents_(new contents) {}
thread_lock::~thread_lock() { delete contents_; }
void thread_lock::lock() noexcept { contents_->lock.lock(); }
void thread_lock::unlock() noexcept { contents_->lock.unlock(); }

struct parker::contents {
    std::mutex lock;
    std::condition_variable changed;
    bool let_go = false;
};

parker& parker::of_this_thread() {
    static thread_local contents here;
    static thread_local parker mine(here);
    return mine;
}

void parker::park() noexcept {
    std::unique_lock hold(contents_.lock);
    contents_.changed.wait(hold, [this] { return contents_.let_go; });
    contents_.let_go = false;
}

// Notified under the lock: the other thread cannot go on, and take its parker with it, before this is done.
void parker::unpark() noexcept {
    const std::lock_guard hold(contents_.lock);
    contents_.let_go = true;
    contents_.changed.notify_one();
}

void refuse_on_reactor(const char* what, const char* instead) {
    if (environment* const simulated = environment::current(); simulated && !reactor::current()) {
        throw std::system_error(simulated->refuse(what),
                                std::string(what) +
                                    " is not simulated on a host's main function, which would wait for a "
                                    "thread that the world does "
                                    "not know: " +
                                    instead);
    }
    if (!reactor::current()) return;
    throw std::system_error(
        errc::wrong_thread,
        std::string(what) + " would block the reactor that runs on this thread: " + instead);
}

}  // namespace bight::detail
