// Written by hand, because printf's floating point follows the locale.
#include "time_words.hpp"

#include <algorithm>
#include <cstdint>
#include <ratio>

namespace bight::detail {

namespace {

// (Not "0" + text: GCC PR 105651.)
std::string two_digits(std::int64_t n) {
    std::string text = std::to_string(n);
    if (n < 10) text.insert(text.begin(), '0');
    return text;
}

}  // namespace

std::string in_words(std::chrono::seconds time) {
    const std::int64_t s = time.count();
    if (s < 60) return std::to_string(s) + " s";
    if (s < 3600) return std::to_string(s / 60) + " min " + two_digits(s % 60) + " s";
    return std::to_string(s / 3600) + " h " + two_digits(s / 60 % 60) + " min";
}

std::string to_a_tenth(duration time) {
    using tenths = std::chrono::duration<std::int64_t, std::deci>;
    const auto all = std::chrono::round<tenths>(std::max(time, duration::zero()));
    if (all >= std::chrono::minutes(1)) return in_words(std::chrono::floor<std::chrono::seconds>(all));
    return std::to_string(all.count() / 10) + "." + std::to_string(all.count() % 10) + " s";
}

}  // namespace bight::detail
