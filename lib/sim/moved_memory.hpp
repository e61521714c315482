// moved_memory: changes the addresses of allocations for a second run of the same seed.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace bight::sim::detail {

/// While it lives, allocations of this thread, including coroutine frames, get other addresses: a program
/// that depends on addresses then behaves differently.
class moved_memory {
  public:
    /// Takes the blocks that were freed last, which would otherwise be reused.
    moved_memory() {
        for (std::size_t size = 8; size < 4096; size += size < 1024 ? 16 : 128) {
            for (int i = 0; i < 8; ++i) blocks_.push_back(std::make_unique<std::byte[]>(size));
        }
    }
    moved_memory(const moved_memory&) = delete;
    moved_memory& operator=(const moved_memory&) = delete;

  private:
    std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

}  // namespace bight::sim::detail
