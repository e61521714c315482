#include <bight/sync/mutex.hpp>

namespace bight {

void mutex::hand_over() noexcept {
    if (users_ == 0) detail::abort_misused("a mutex was unlocked that is not locked");
    --users_;
    waiters_.pop_front()->granted();  // it stays locked: nobody can take it before the next one runs
}

void mutex::destroyed_locked() const noexcept {
    waiters_.check_empty("a mutex");
    detail::abort_misused("a mutex was destroyed while it is locked: it must outlive its guards");
}

}  // namespace bight
