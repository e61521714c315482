// What bight keeps for each thread.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>

// Initial-exec: found in one load, even in a shared library. It takes a few words of what the loader keeps
// free for libraries that are loaded late.
#if defined(__ELF__)
#define BIGHT_TLS [[gnu::tls_model("initial-exec")]]
#else
#define BIGHT_TLS
#endif

// What a public header has, too, is declared as it is there: the first declaration decides what is exported.
namespace BIGHT_EXPORT bight {
class reactor;
namespace detail {
class frame_cache;
class job;
}  // namespace detail
}  // namespace bight

namespace BIGHT_EXPORT bight {
namespace detail {

class simulated_thread;

struct thread_state {
    reactor* current = nullptr;  // the reactor that runs here
    const void* loop = nullptr;  // where on the stack it runs

    /// For failing().
    struct failures {
        int exceptions_before = 0;  // in flight when the reactor began to run here: not its tasks' doing
        int frames = 0;             // of failed coroutines that are being destroyed now
    };
    failures failing;
    /// For job::request_cancel.
    struct cancellation {
        job* last = nullptr;  // the last child of the scope that is being cancelled
        bool under_way = false;
    };
    cancellation cancelling;
    /// Frames taken from the heap, less those given back, here; those that lay in the cache when it was put
    /// in use count as taken.
    long frames_from_heap = 0;

    /// What this is to a simulated world; null for a thread of the machine.
    simulated_thread* simulated = nullptr;

    /// Freed frames are overwritten: who goes on using one is found out.
    bool poisons_frames = false;

    /// Of this thread and no other, ever; not 0.
    std::uint64_t number() noexcept {
        if (number_ == 0) number_ = next_number();
        return number_;
    }

    /// Frames come from `cache`, and go there; null for the heap. On this thread only.
    void use(frame_cache* cache) noexcept;

  private:
    static std::uint64_t next_number() noexcept;
    std::uint64_t number_ = 0;
};

/// Whose receive buffers come back by a plain call on this thread: those of the reactor that runs here; null
/// for none. Not for coroutines (see below).
BIGHT_TLS extern constinit thread_local const void* lender_here;

/// Never inlined: compilers keep the address of a thread_local across a suspension (LLVM #47179, #63022),
/// though the coroutine may go on elsewhere.
[[gnu::noinline]] thread_state& this_thread() noexcept;

}  // namespace detail
}  // namespace bight
