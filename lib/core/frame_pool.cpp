#include "frame_cache.hpp"
#include "thread_state.hpp"

#include <bight/core/frame_pool.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace bight::detail {

thread_state& this_thread() noexcept {
    static constinit thread_local thread_state state;
    return state;
}

frame_cache::~frame_cache() {
    for (std::size_t i = 0; i < classes; ++i) {
        while (free_block* block = free_[i]) {
            free_[i] = block->next;
            ::operator delete(block, (i + 1) * granularity);
        }
    }
}

// Under AddressSanitizer nothing is kept, so that a use of a freed frame is reported with both stacks.
#if defined(__SANITIZE_ADDRESS__)
#define BIGHT_KEEP_FRAMES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BIGHT_KEEP_FRAMES 0
#endif
#endif
#ifndef BIGHT_KEEP_FRAMES
#define BIGHT_KEEP_FRAMES 1
#endif

void* allocate_frame(std::size_t size) {
    thread_state& here = this_thread();
    void* block = nullptr;
    if (size <= frame_cache::largest) {
        const std::size_t i = frame_cache::class_of(size);
        if (BIGHT_KEEP_FRAMES && here.frames) block = here.frames->take(i);
        if (!block) block = ::operator new((i + 1) * frame_cache::granularity);
    } else {
        block = ::operator new(size);
    }
    ++here.live_frames;
    here.newest_frame = block;
    return block;
}

void free_frame(void* block, std::size_t size) noexcept {
    thread_state& here = this_thread();
    --here.live_frames;
    if (size > frame_cache::largest) {
        ::operator delete(block, size);
        return;
    }
    const std::size_t i = frame_cache::class_of(size);
    if (BIGHT_KEEP_FRAMES && here.frames && here.frames->keep(block, i)) return;
    ::operator delete(block, (i + 1) * frame_cache::granularity);
}

long live_frames() noexcept { return this_thread().live_frames; }

// The miscompiled frame's promise lies 8 bytes off, and so does the frame's address that is computed from it.
// Copying the coroutine's parameters may create other coroutines between the allocation and this call; their
// frames are far away, which is why only a near miss counts.
void check_frame_layout(void* frame) noexcept {
    const auto got = reinterpret_cast<std::uintptr_t>(frame);
    const auto made = reinterpret_cast<std::uintptr_t>(this_thread().newest_frame);
    const std::uintptr_t off = got > made ? got - made : made - got;
    if (off == 0 || off > 16) return;
    std::fputs(
        "bight: g++ compiled a coroutine wrongly (GCC PR 106188): it has a co_await in the condition of an "
        "if, while, "
        "switch or for, and no local variable at its top level.\n"
        "bight: write `const bool ok = co_await x; if (ok) …` or `if (auto v = co_await x)` instead; the "
        "backtrace of "
        "this abort shows the function.\n",
        stderr);
    std::abort();
}

}  // namespace bight::detail
