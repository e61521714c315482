// Where coroutine frames come from: blocks kept by the reactor that runs on this thread, by size.
#pragma once

#include <cstddef>

namespace bight::detail {

/// Memory for a coroutine frame, or for another object that lives as long as a task. While a reactor runs on
/// this thread, freed blocks are kept for the next frame of about their size, so that in the steady state no
/// frame costs an allocation. A block may be freed on any thread. Throws std::bad_alloc.
void* allocate_frame(std::size_t size);
void free_frame(void* block, std::size_t size) noexcept;

/// Blocks handed out to this thread and not yet freed by it: tests check that it returns to where it was.
long live_frames() noexcept;

/// Ends the process with an explanation when `frame` was laid out wrongly by g++ (GCC PR 106188).
void check_frame_layout(void* frame) noexcept;

/// Gives a class frame_pool memory: `class x : pooled {…}; new x` costs no malloc in the steady state.
struct pooled {
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_frame(block, size); }
};

}  // namespace bight::detail
