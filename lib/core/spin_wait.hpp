// spin_wait: waits for another thread that is about to finish something.
#pragma once

#include <time.h>

#include <thread>

namespace bight::detail {

/// For a wait that is short unless the other thread was interrupted in the middle, and in which no wake-up is
/// possible, because the other thread may not touch anything after it has finished. It spins a few times,
/// then yields, then sleeps between looks: a thread of real-time priority keeps an ordinary one from running
/// until it sleeps (sched(7)).
class spin_wait {
  public:
    void a_moment() noexcept {
        ++looks_;
        if (looks_ <= spins) return;
        if (looks_ <= spins + yields) {
            std::this_thread::yield();
        } else {
            const timespec nap{0, 50'000};
            ::nanosleep(&nap, nullptr);
        }
    }

  private:
    static constexpr int spins = 64;
    static constexpr int yields = 16;
    int looks_ = 0;
};

}  // namespace bight::detail
