// What bight keeps for each thread.
#pragma once

namespace bight {
class reactor;
}

namespace bight::detail {

class frame_cache;

struct thread_state {
    reactor* current = nullptr;     // the reactor that runs here
    frame_cache* frames = nullptr;  // its freed frames
    const void* loop = nullptr;     // where on the stack the reactor runs
    long live_frames = 0;
};

/// Never inlined: compilers keep the address of a thread_local across a suspension (LLVM #47179, #63022),
/// though the coroutine may go on elsewhere.
[[gnu::noinline]] thread_state& this_thread() noexcept;

}  // namespace bight::detail
