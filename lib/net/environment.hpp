// What a service manager says in the environment.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace bight::detail {

/// Empty when it is not set. Valid until the environment is changed.
inline std::string_view environment(const char* name) noexcept {
    const char* const value = std::getenv(name);
    return value ? value : "";
}

/// None when the whole text is no number.
inline std::optional<std::uint64_t> whole_number(std::string_view text) noexcept {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace bight::detail
