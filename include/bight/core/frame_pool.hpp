// Where coroutine frames come from: blocks kept by the reactor that runs on this thread, by size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bight::detail {

/// Size classes are this far apart. The largest block of a class is 8 bytes short of a multiple of it, so
/// that with the heap's own 8 bytes it fills the multiple exactly.
inline constexpr std::size_t frame_granularity = 16;
inline constexpr std::size_t frame_classes = 256;
inline constexpr std::size_t largest_pooled_frame = frame_granularity * frame_classes - 8;

constexpr std::size_t frame_class_of(std::size_t size) noexcept { return (size + 7) / frame_granularity; }
constexpr std::size_t frame_class_size(std::size_t i) noexcept { return frame_granularity * (i + 1) - 8; }

void* allocate_frame_of_class(std::size_t i);
void free_frame_of_class(void* block, std::size_t i) noexcept;
void* allocate_large_frame(std::size_t size);
void free_large_frame(void* block, std::size_t size) noexcept;

/// Memory for a coroutine frame, or for another object that lives as long as a task. While a reactor runs on
/// this thread, freed blocks are kept for the next frame of about their size, so that in the steady state no
/// frame costs an allocation. A block may be freed on any thread. Throws std::bad_alloc.
inline void* allocate_frame(std::size_t size) {
    return size <= largest_pooled_frame ? allocate_frame_of_class(frame_class_of(size))
                                        : allocate_large_frame(size);
}
inline void free_frame(void* block, std::size_t size) noexcept {
    if (size <= largest_pooled_frame) {
        free_frame_of_class(block, frame_class_of(size));
    } else {
        free_large_frame(block, size);
    }
}

/// Blocks handed out to this thread and not yet freed by it: tests check that it returns to where it was.
long live_frames() noexcept;

[[noreturn]] void frame_is_laid_out_wrongly() noexcept;

/// Ends the process with an explanation when `frame` was laid out wrongly by g++ (GCC PR 106188): the promise
/// is 8 bytes off then, and so is the frame's address that is computed from it. Blocks are aligned to 16.
inline void check_frame_layout(const void* frame) noexcept {
    if (reinterpret_cast<std::uintptr_t>(frame) % 16 != 0) [[unlikely]]
        frame_is_laid_out_wrongly();
}

/// Gives a class frame_pool memory: `class x : pooled {…}; new x` costs no malloc in the steady state.
struct pooled {
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_frame(block, size); }
};

}  // namespace bight::detail
