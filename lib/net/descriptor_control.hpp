// descriptor_control: descriptors as the control data of a message.
#pragma once

#include "../demux/native_handle.hpp"

#include <bight/net/owned_descriptor.hpp>

#include <cstddef>
#include <vector>

namespace bight::detail {

/// Control data with the descriptors of one message.
class descriptor_control {
  public:
    /// Whether the system passes descriptors.
    static bool offered() noexcept;

    /// Has the kernel add nothing else to what `socket` receives: credentials or times that somebody has
    /// asked for would take the room of descriptors. `but_sender`: except credentials, for which there is
    /// room.
    static void come_alone(native_handle socket, bool but_sender = false) noexcept;

    /// Whether a send with descriptors has failed because the kernel takes no such control data.
    static bool is_refusal(int error) noexcept;

    /// Room for `count` descriptors, at most most_descriptors_of_a_message, and for no more where the system
    /// closes the rest itself; and before them for so many bytes of other control data.
    void make_room(std::size_t count, std::size_t beside = 0) noexcept;
    /// Writes them as what is to be sent.
    void put(const std::vector<int>& descriptors) noexcept;
    /// Takes over those that have come, of which the first `most` go behind `to`, which has room for them.
    /// The others are closed. Gives how many came.
    std::size_t take(std::vector<owned_descriptor>& to, std::size_t most) noexcept;

    void* data() noexcept { return size_ > 0 ? bytes_ : nullptr; }
    std::size_t size() const noexcept { return size_; }
    void set_size(std::size_t size) noexcept { size_ = size; }

  private:
    std::size_t size_ = 0;
    alignas(16) char bytes_[1088];  // 253 descriptors, the header, whose size is the system's, and a sender
};

}  // namespace bight::detail
