// thread_count, thread_meeting: what threads of a test wait for. (std::latch, std::barrier and the waits of
// std::atomic may hang on Windows.)
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>

namespace test {

/// A number that only rises. Thread: any.
class thread_count {
  public:
    void add(int by = 1) {
        const std::lock_guard hold(lock_);
        value_ += by;
        changed_.notify_all();
    }
    /// Blocks until it is at least that.
    void wait_until(int least) {
        std::unique_lock hold(lock_);
        changed_.wait(hold, [&] { return value_ >= least; });
    }
    int value() {
        const std::lock_guard hold(lock_);
        return value_;
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    int value_ = 0;
};

/// Threads that go on together, again and again; one of them calls `each_time` before.
class thread_meeting {
  public:
    thread_meeting(std::size_t threads, std::function<void()> each_time)
        : threads_(threads), each_time_(std::move(each_time)) {}
    void arrive_and_wait() {
        std::unique_lock hold(lock_);
        const auto meeting = meetings_;
        if (++arrived_ == threads_) {
            arrived_ = 0;
            ++meetings_;
            each_time_();
            changed_.notify_all();
        } else {
            changed_.wait(hold, [&] { return meetings_ != meeting; });
        }
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::size_t threads_;
    std::size_t arrived_ = 0;
    unsigned long meetings_ = 0;
    std::function<void()> each_time_;
};

}  // namespace test
