// Thread pools in a forked child.
#include "pool_state.hpp"

#include <memory>

namespace bight::detail {

// The jobs are not destroyed: a thread of the parent may have been in the middle of using them.
void pool_state::lose_all(job_list& jobs) noexcept {
    while (pool_job* const j = jobs.pop_front()) j->stage_ = pool_job::stage::lost;
}

// The condition variables are made anew, because threads of the parent waited in them. If a pool thread
// forks, it becomes the child's only thread, and ends with its job (see pool_state::ended).
void pool_state::in_child() noexcept {
    std::construct_at(&work_came);
    std::construct_at(&thread_ended);
    lose_all(queued);
    lose_all(running);
    for (limiter_state* const l : limiters) {
        lose_all(l->waiting);
        l->in_use = 0;
    }
    counted.threads = counted.idle = counted.abandoned = 0;
    pool_thread::here() = {};
    lock.unlock();
}

}  // namespace bight::detail
