#include <bight/thread/detail/thread_lock.hpp>

#include <mutex>

namespace bight::detail {

struct thread_lock::contents {
    std::mutex lock;
};

thread_lock::thread_lock() : contents_(new contents) {}
thread_lock::~thread_lock() { delete contents_; }
void thread_lock::lock() noexcept { contents_->lock.lock(); }
void thread_lock::unlock() noexcept { contents_->lock.unlock(); }

}  // namespace bight::detail
