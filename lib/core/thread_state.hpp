// thread_state: bight's thread-local state.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>

// Initial-exec: accessed with one load, even in a shared library. It uses a few words of the space that the
// loader reserves for libraries loaded later.
#if defined(__ELF__)
#define BIGHT_TLS [[gnu::tls_model("initial-exec")]]
#else
#define BIGHT_TLS
#endif

// Declared as in the public headers: the first declaration decides what is exported.
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
        int exceptions_before = 0;  // in flight when the reactor began to run here: not caused by its tasks
        int frames = 0;             // frames of failed coroutines that are being destroyed now
    };
    failures failing;
    /// For job::request_cancel.
    struct cancellation {
        job* last = nullptr;  // the last child of the scope that is being cancelled
        bool under_way = false;
    };
    cancellation cancelling;
    /// Frames taken from the heap on this thread minus those given back; frames that were in the cache when
    /// it was put in use count as taken.
    long frames_from_heap = 0;

    /// The simulated thread that this is; null for a real thread.
    simulated_thread* simulated = nullptr;

    /// Freed frames are overwritten, so that using one after that is detected.
    bool poisons_frames = false;

    /// A number that no other thread ever has; not 0.
    std::uint64_t number() noexcept {
        if (number_ == 0) number_ = next_number();
        return number_;
    }

    /// Uses `cache` for frames; null for the heap. On this thread only.
    void use(frame_cache* cache) noexcept;

  private:
    static std::uint64_t next_number() noexcept;
    std::uint64_t number_ = 0;
};

/// The owner of the receive buffers that can be returned by a plain call on this thread: the event port of
/// the reactor that runs here; null for none. Must not be used in coroutines (see below).
BIGHT_TLS extern constinit thread_local const void* lender_here;

/// Never inlined: compilers keep the address of a thread_local across a suspension (LLVM #47179, #63022),
/// although the coroutine may go on on another thread.
[[gnu::noinline]] thread_state& this_thread() noexcept;

}  // namespace detail
}  // namespace bight
