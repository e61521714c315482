#include <bight/core/home_check.hpp>

#include "environment.hpp"
#include "thread_state.hpp"

#include <cstdio>
#include <cstdlib>

namespace bight::detail {

void home_check::settle(const reactor* here, const char* what) const noexcept {
    const environment* const simulated = environment::current();
    const void* thread = simulated ? simulated->identity() : nullptr;
    if (!thread) thread = &this_thread();
    if (thread_ && thread_ != thread) {
        std::fprintf(
            stderr,
            "bight: %s was used from another thread than the one whose tasks it is for: send values to "
            "that thread through a cross_channel, or calls with reactor::post\n",
            what);
        std::abort();
    }
    if (!here) return;
    home_ = here;
    thread_ = thread;
}

}  // namespace bight::detail
