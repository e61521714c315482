#include <bight/thread/detail/parker.hpp>

#include <condition_variable>
#include <mutex>

namespace bight::detail {

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

// Notifies while holding the lock, so that the other thread cannot go on and destroy its parker before this
// is done.
void parker::unpark() noexcept {
    const std::lock_guard hold(contents_.lock);
    contents_.let_go = true;
    contents_.changed.notify_one();
}

}  // namespace bight::detail
