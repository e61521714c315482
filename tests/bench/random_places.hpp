// random_places: where the programs that read at random places read.
#pragma once

#include "sent_file.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace bench {

inline constexpr std::size_t read_size = 4096;
using block = std::array<char, read_size>;

class random_places {
  public:
    std::uint64_t next() noexcept {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ % (sent_file_size / read_size) * read_size;
    }

  private:
    std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

}  // namespace bench
