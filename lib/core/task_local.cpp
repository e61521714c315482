#include <bight/core/task_local.hpp>

namespace bight::detail {

const void* find_task_local(const void* key) noexcept {
    const reactor* here = reactor::current();
    for (const job* j = here ? detail::reactor_access::running_job(*here) : nullptr; j; j = j->parent()) {
        if (const void* found = j->find_local(key)) return found;
    }
    return nullptr;
}

}  // namespace bight::detail
