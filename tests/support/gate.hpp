// gate: threads wait at it until it is opened.
#pragma once

#include <condition_variable>
#include <mutex>

namespace test {

class gate {
  public:
    void open() {
        const std::lock_guard hold(lock_);
        open_ = true;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock hold(lock_);
        ++arrived_;
        changed_.notify_all();
        changed_.wait(hold, [this] { return open_; });
    }
    /// Returns when `number` threads have come to it.
    void await(int number = 1) {
        std::unique_lock hold(lock_);
        changed_.wait(hold, [&] { return arrived_ >= number; });
    }
    int arrived() {
        const std::lock_guard hold(lock_);
        return arrived_;
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    int arrived_ = 0;
    bool open_ = false;
};

}  // namespace test
