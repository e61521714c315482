// passing: what a socket_transport has when descriptors are passed over it.
#pragma once

#include "descriptor_control.hpp"

#include "../demux/operation.hpp"
#include "../io/write_in_turn.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>
#include <bight/net/descriptor_passing.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace bight::detail {

class socket_calls;
class socket_transport;

/// Which of them is not open, for the message of EBADF: ": 77 is not open". Empty when all are.
std::string what_is_not_open(socket_calls& calls, const std::vector<int>& descriptors);

/// The write of a message with descriptors; the bytes that its first call leaves follow without.
class [[nodiscard("co_await it"), gnu::warn_unused]] descriptor_write final
    : public write_in_turn,
      public awaiter_base<descriptor_write> {
  public:
    descriptor_write(socket_transport& to, const std::vector<int>& of, const_buffer with) noexcept;

    void await_resume();

    const std::vector<int>& descriptors;

  private:
    friend awaiter_base<descriptor_write>;
    bool start() noexcept override;
    std::size_t size() const noexcept override { return bytes_.size; }

    socket_transport& socket_;
    const_buffer bytes_;
};

/// Receives of messages, and what they have brought. It belongs to its transport, and so do the descriptors
/// until they are taken.
class descriptor_intake {
  public:
    explicit descriptor_intake(std::size_t most) noexcept : limit(most) {}
    ~descriptor_intake() {
        if (block) block->release(*block);
    }
    descriptor_intake(const descriptor_intake&) = delete;
    descriptor_intake& operator=(const descriptor_intake&) = delete;

    /// Before a receive: what it fills. False when memory is exhausted.
    bool prepare(receive_message_operation& op, mutable_buffer into, bool wanted) noexcept;
    /// After it: takes what came with the bytes. The bytes are in the memory, or become `data`.
    void collect(receive_message_operation& op, chunk& data) noexcept;

    static constexpr std::size_t block_size = 4096;

    std::size_t limit;  ///< the most descriptors that wait to be taken
    received_descriptors held;
    descriptor_control control;
    std::size_t room = 0;  ///< for descriptors, of the receive
    mutable_buffer piece;
    heap_block* block = nullptr;  ///< for a read without memory
};

}  // namespace bight::detail
