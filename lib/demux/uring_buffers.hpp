// uring_buffers: the provided-buffer ring of an io_uring reactor.
#pragma once

#include "lent_block.hpp"
#include "tool_annotations.hpp"

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bight::detail {

/// A ring of provided buffers (io_uring_register_buf_ring(3)): the kernel takes one when data arrives, so
/// that idle connections hold none. A buffer is returned when its chunk is destroyed, on any thread. Chunks
/// may outlive the ring: the memory is freed with the last of them. Everything else is for the ring's thread.
class uring_buffers {
  public:
    static constexpr unsigned buffer_size = 4096;
    static constexpr int group = 0;

    /// A buffer that the kernel has filled.
    struct slot final : lent_block {
        uring_buffers* home = nullptr;
        std::uint32_t offset = 0;  // of the unread bytes, while it is in a descriptor's queue
        std::uint32_t length = 0;
        std::uint16_t id = 0;
        std::uint16_t next_arrived = 0;  // in that queue
    };

    /// Registers `count` buffers (a power of two) with `ring`. On failure null, with -errno in `error`.
    static uring_buffers* make(io_uring& ring, unsigned count, int& error) noexcept;
    uring_buffers(const uring_buffers&) = delete;
    uring_buffers& operator=(const uring_buffers&) = delete;

    slot& filled(unsigned id) noexcept { return slots_[id]; }
    char* bytes(const slot& s) noexcept { return memory_ + std::size_t{s.id} * buffer_size; }
    /// The kernel has filled a buffer: it counts as lent until give_back.
    void lend(const slot& s) noexcept {
        ++lent_;
        buffer_taken(bytes(s), buffer_size);
    }
    /// Returns a buffer to the kernel.
    void give_back(slot& s) noexcept;
    /// The same for buffers that were released on other threads.
    void take_back() noexcept {
        if (!elsewhere_.empty()) give_back_all();
    }
    std::size_t lent() const noexcept {
        return lent_ + taken_back_ - static_cast<std::size_t>(elsewhere_.counted());
    }
    unsigned count() const noexcept { return static_cast<unsigned>(slots_.size()); }
    /// The ring is about to be destroyed.
    void let_go() noexcept;

  private:
    uring_buffers() = default;
    ~uring_buffers();
    void give_back_all() noexcept;
    static void release(buffer_block& block) noexcept;

    std::vector<slot> slots_;
    char* memory_ = nullptr;
    io_uring_buf_ring* ring_ = nullptr;  // null when the io_uring is gone
    std::size_t ring_bytes_ = 0;
    std::size_t memory_bytes_ = 0;
    std::size_t lent_ = 0;        // and not returned
    std::size_t taken_back_ = 0;  // of those released on other threads
    returned_elsewhere elsewhere_;
};

}  // namespace bight::detail
