// Times as a reader of a report wants them.
#pragma once

#include <bight/core/duration.hpp>

#include <chrono>
#include <string>

namespace bight::detail {

/// "12 s", "5 min 07 s", "2 h 05 min": two units at most.
std::string in_words(std::chrono::seconds time);
/// The same, below a minute to the tenth of a second: "1.5 s". A time below zero is none.
std::string to_a_tenth(duration time);

}  // namespace bight::detail
