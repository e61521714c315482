// Allocation of coroutine frames, from the blocks that this thread's reactor keeps by size.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/frame_cache.hpp>
#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace BIGHT_EXPORT bight {
namespace detail {

inline constexpr std::size_t largest_pooled_frame = frame_class_size(frame_classes - 1);

#if BIGHT_INLINE_FRAME_POOL
/// The frame cache of the reactor that runs on this thread, or one that keeps nothing.
extern constinit thread_local frame_cache* frames_here [[gnu::tls_model("initial-exec")]];
#endif

/// Called when the cache of a size class is empty, or full.
void* allocate_frame_of_class(std::size_t i);
void free_frame_of_class(void* block, std::size_t i) noexcept;
void* allocate_large_frame(std::size_t size);
void free_large_frame(void* block, std::size_t size) noexcept;

/// Memory for a coroutine frame, or for another object that lives as long as a task. While a reactor runs on
/// this thread, freed blocks are kept for the next frame of about their size, so that in the steady state no
/// frame costs an allocation. A block may be freed on any thread. Throws std::bad_alloc.
inline void* allocate_frame(std::size_t size) {
    if (size > largest_pooled_frame) return allocate_large_frame(size);
    const std::size_t i = frame_class_of(size);
#if BIGHT_INLINE_FRAME_POOL
    if (void* const kept = frames_here->take(i)) [[likely]]
        return kept;
#endif
    return allocate_frame_of_class(i);
}
inline void free_frame(void* block, std::size_t size) noexcept {
    if (size > largest_pooled_frame) {
        free_large_frame(block, size);
        return;
    }
    const std::size_t i = frame_class_of(size);
#if BIGHT_INLINE_FRAME_POOL
    if (frames_here->keep(block, i)) [[likely]]
        return;
#endif
    free_frame_of_class(block, i);
}

/// Blocks allocated on this thread minus those freed on it: tests check that the number returns to where it
/// was.
long live_frames() noexcept;

[[noreturn]] void frame_is_laid_out_wrongly() noexcept;

/// Ends the process with an explanation when g++ has laid out `frame` wrongly (GCC PR 106188). The promise is
/// then 8 bytes off, and so is the frame's address computed from it, while blocks are aligned to 16.
inline void check_frame_layout(const void* frame) noexcept {
    if (reinterpret_cast<std::uintptr_t>(frame) % 16 != 0) [[unlikely]]
        frame_is_laid_out_wrongly();
}

/// Gives a class frame_pool memory: `class x : pooled {…}; new x` costs no malloc in the steady state. Blocks
/// are aligned to 16; a type that needs more (because of a user's value, say) comes from the heap.
struct pooled {
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_frame(block, size); }
    static void* operator new(std::size_t size, std::align_val_t alignment) {
        return ::operator new(size, alignment);
    }
    static void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
        ::operator delete(block, alignment);
    }
};

}  // namespace detail
}  // namespace bight
