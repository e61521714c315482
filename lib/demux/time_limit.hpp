// Conversions of durations to the time-out arguments of system calls.
#pragma once

#include <bight/core/detail/timer.hpp>

#include <chrono>
#include <ctime>

namespace bight::detail {

/// `limit` may not be negative.
inline timespec to_timespec(duration limit) noexcept {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(limit).count();
    timespec t{};
    t.tv_sec = static_cast<std::time_t>(ns / 1'000'000'000);
    t.tv_nsec = static_cast<long>(ns % 1'000'000'000);
    return t;
}

/// Rounded up, so that a wait is never too short; eleven days at most.
inline int to_milliseconds(duration limit) noexcept {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
    return ms > 1'000'000'000 ? 1'000'000'000 : static_cast<int>(ms);
}

}  // namespace bight::detail
