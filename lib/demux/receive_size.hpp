// receive_size: how much the next receive of a socket asks for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bight::detail {

/// The policy of every demultiplexer. A receive that fills what it was given is followed by one of the next
/// size, because more was there; a socket that has given little several times goes back to the smaller one,
/// so that it does not hold large blocks for small messages. In between nothing changes: a receive that
/// meets the end of a large message gives little, and says nothing about the next message.
///
/// It starts small, and an idle socket holds nothing at any size. What a size costs is in
/// docs/design/demultiplexers.md.
class receive_size {
  public:
    static constexpr std::size_t sizes[] = {std::size_t{16} << 10, std::size_t{64} << 10,
                                            std::size_t{256} << 10};
    static constexpr unsigned largest_step = 2;
    static constexpr std::size_t largest = sizes[largest_step];

    /// The index of the size.
    unsigned step() const noexcept { return step_; }
    /// Whether data comes in bulk: more than the small size was there at once.
    bool bulk() const noexcept { return step_ != 0; }
    /// The next receive asks for no more than `most`, or the small size: what comes is for somebody who takes
    /// no more.
    void limit_next(std::size_t most) noexcept {
        limit_ = 0;
        while (limit_ < largest_step && sizes[limit_ + 1U] <= most) ++limit_;
    }
    /// The index of the size within that limit.
    unsigned next() const noexcept { return step_ < limit_ ? step_ : limit_; }

    void filled() noexcept {
        if (step_ < largest_step) ++step_;
        meagre_ = 0;
    }
    /// After a receive that gave `got` bytes of the `asked` ones.
    void received(std::size_t got, std::size_t asked) noexcept {
        limit_ = largest_step;
        if (got == asked) {
            filled();
        } else if (step_ == 0) {
            return;
        } else if (got >= sizes[step_ - 1] / 2) {
            meagre_ = 0;
        } else if (++meagre_ == patience) {
            --step_;
            meagre_ = 0;
        }
    }

  private:
    static constexpr unsigned patience = 8;

    std::uint8_t step_ : 2 = 0;
    std::uint8_t limit_ : 2 = largest_step;  // of the next receive
    std::uint8_t meagre_ : 4 = 0;            // receives in a row that the smaller size would have done for
};

}  // namespace bight::detail
