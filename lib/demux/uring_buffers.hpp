// The receive buffers that an io_uring reactor lends to the kernel.
#pragma once

#include "lent_block.hpp"

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bight::detail {

/// A ring of provided buffers (io_uring_register_buf_ring(3)): the kernel takes one when data is there, so
/// that idle connections hold none. A buffer comes back when its chunk is dropped, on whatever thread. Chunks
/// may outlive the ring: the memory goes with the last of them. All else is for the ring's thread.
class uring_buffers {
  public:
    static constexpr unsigned buffer_size = 4096;
    static constexpr int group = 0;

    /// A buffer that the kernel has filled.
    struct slot final : lent_block {
        uring_buffers* home = nullptr;
        std::uint32_t offset = 0;  // of what is left to read, while it is in a descriptor's queue
        std::uint32_t length = 0;
        std::uint16_t id = 0;
        std::uint16_t next_arrived = 0;  // in that queue
    };

    /// Registers `count` buffers (a power of two) with `ring`. Null with -errno in `error` when it cannot.
    static uring_buffers* make(io_uring& ring, unsigned count, int& error) noexcept;
    uring_buffers(const uring_buffers&) = delete;
    uring_buffers& operator=(const uring_buffers&) = delete;

    slot& filled(unsigned id) noexcept { return slots_[id]; }
    char* bytes(const slot& s) noexcept { return memory_ + std::size_t{s.id} * buffer_size; }
    /// The kernel handed out one: it is lent until give_back.
    void lend() noexcept { ++lent_; }
    /// Back to the kernel.
    void give_back(slot& s) noexcept;
    /// The same for those that came back on other threads.
    void take_back() noexcept {
        if (!elsewhere_.empty()) give_back_all();
    }
    std::size_t lent() const noexcept {
        return lent_ + taken_back_ - static_cast<std::size_t>(elsewhere_.counted());
    }
    unsigned count() const noexcept { return static_cast<unsigned>(slots_.size()); }
    /// The ring is going.
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
    std::size_t lent_ = 0;        // and not given back
    std::size_t taken_back_ = 0;  // of those that came back elsewhere
    returned_elsewhere elsewhere_;
};

}  // namespace bight::detail
