// cancellable: a task that a test can cancel alone, at any time.
#pragma once

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include <utility>

namespace test {

/// `g.spawn(one.run(subject()))` runs subject; `one.cancel()` cancels it, and nothing else.
class cancellable {
  public:
    bight::task<> run(bight::task<> subject) {
        auto body = [this, &subject](bight::group& g) -> bight::task<> {
            group_ = &g;
            co_await std::move(subject);
            ended_ = true;
        };
        co_await bight::with_group(body);
        group_ = nullptr;
    }
    void cancel() {
        if (group_) group_->cancel();
    }
    /// Whether it has begun, and not ended.
    bool running() const { return group_ != nullptr; }
    /// Whether it has ended without being cancelled.
    bool ended() const { return ended_; }

  private:
    bight::group* group_ = nullptr;
    bool ended_ = false;
};

/// Lets others run for `n` turns.
inline bight::task<> turns(int n) {
    for (int i = 0; i < n; ++i) co_await bight::yield();
}

}  // namespace test
