#include "frame_cache.hpp"
#include "thread_state.hpp"

#include <bight/core/frame_pool.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace bight::detail {

static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ == 16, "check_frame_layout relies on it");

namespace {

constinit thread_local thread_state here;

}  // namespace

thread_state& this_thread() noexcept { return here; }

frame_cache::~frame_cache() {
    for (std::size_t i = 0; i < frame_classes; ++i) {
        while (free_block* block = free_[i]) {
            free_[i] = block->next;
            ::operator delete(block, frame_class_size(i));
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

// These are not inlined into coroutines, which is why they may use the thread's state directly. The rare path
// of each is a function of its own, so that the common one saves no registers.

namespace {

[[gnu::noinline, gnu::cold]] void* new_block(std::size_t i) {
    void* block = ::operator new(frame_class_size(i));
    ++here.live_frames;
    return block;
}

[[gnu::noinline, gnu::cold]] void delete_block(void* block, std::size_t i) noexcept {
    ::operator delete(block, frame_class_size(i));
}

}  // namespace

[[gnu::noinline]] void* allocate_frame_of_class(std::size_t i) {
    frame_cache* const frames = BIGHT_KEEP_FRAMES ? here.frames : nullptr;
    void* const kept = frames ? frames->take(i) : nullptr;
    if (!kept) [[unlikely]]
        return new_block(i);
    ++here.live_frames;
    return kept;
}

[[gnu::noinline]] void free_frame_of_class(void* block, std::size_t i) noexcept {
    --here.live_frames;
    frame_cache* const frames = BIGHT_KEEP_FRAMES ? here.frames : nullptr;
    if (!frames || !frames->keep(block, i)) [[unlikely]]
        delete_block(block, i);
}

[[gnu::noinline]] void* allocate_large_frame(std::size_t size) {
    void* block = ::operator new(size);
    ++here.live_frames;
    return block;
}

[[gnu::noinline]] void free_large_frame(void* block, std::size_t size) noexcept {
    --here.live_frames;
    ::operator delete(block, size);
}

long live_frames() noexcept { return here.live_frames; }

void frame_is_laid_out_wrongly() noexcept {
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
