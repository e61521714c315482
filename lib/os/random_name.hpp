// Names that nobody has.
#pragma once

#include <bight/core/random.hpp>

#include <string>
#include <string_view>

namespace bight::detail {

/// So often another name is tried when one is there already, which does not happen by chance.
inline constexpr int most_names_tried = 10;

/// 16 letters and digits: 82 bits.
inline std::string random_name() {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string name;
    for (int i = 0; i < 16; ++i) name += letters[static_cast<std::size_t>(random_below(letters.size()))];
    return name;
}

}  // namespace bight::detail
