// Other addresses for a second run of the same seed.
#pragma once

#include <bight/core/detail/frame_cache.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <vector>

namespace bight::sim::detail {

/// While it lives, what this thread allocates lies elsewhere, and frames of coroutines in another order: a
/// program that goes by addresses does something else then.
class moved_memory {
  public:
    /// It takes the blocks that were freed last, which would be given out again.
    moved_memory() {
        for (std::size_t size = 8; size < 4096; size += size < 1024 ? 16 : 128) {
            for (int i = 0; i < 8; ++i) blocks_.push_back(std::make_unique<std::byte[]>(size));
        }
        is_here = true;
    }
    moved_memory(const moved_memory&) = delete;
    moved_memory& operator=(const moved_memory&) = delete;
    ~moved_memory() { is_here = false; }

    /// Gives a reactor that is new its first frames, if one lives: each below those before it, where the heap
    /// gives what is above.
    static void fill(bight::detail::frame_cache& frames) {
        if (!is_here) return;
        using namespace bight::detail;
        for (std::size_t i = 0; i < frame_classes && frame_class_size(i) <= largest; ++i) {
            std::array<void*, 16> blocks{};
            for (void*& block : blocks) block = ::operator new(frame_class_size(i));
            std::sort(blocks.begin(), blocks.end(), std::less<>());
            for (void* const block : blocks) {  // the last is taken first
                if (!frames.keep(block, i)) ::operator delete(block, frame_class_size(i));
            }
        }
    }

  private:
    static constexpr std::size_t largest = 3072;
    static inline thread_local bool is_here = false;
    std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

}  // namespace bight::sim::detail
