#include <bight/core/detail/thread_checker.hpp>

#include "platform.hpp"
#include "thread_state.hpp"

#include <cstdio>
#include <cstdlib>

namespace bight::detail {

void thread_checker::settle(const reactor* here, const char* what) const noexcept {
    const platform* const simulated = platform::current();
    const void* thread = simulated ? simulated->identity() : nullptr;
    if (!thread) thread = &this_thread();
    if (thread_ && thread_ != thread) {
        std::fprintf(
            stderr,
            "bight: %s was used from another thread than the one whose tasks it is for: from a task await a "
            "call there with bight::on(reactor, f), from a plain thread use reactor::post, or send values to "
            "that thread through a concurrent_channel\n",
            what);
        std::abort();
    }
    if (!here) return;
    home_ = here;
    thread_ = thread;
}

}  // namespace bight::detail
