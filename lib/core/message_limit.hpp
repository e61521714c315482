// message_limit: keeps a message that comes often from filling the log.
#pragma once

#include <bight/core/duration.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace bight::detail {

/// Lets one message a second through, and counts the others.
class message_limit {
  public:
    /// Whether a message may be written at `now`.
    bool lets_through(time_point now) noexcept {
        if (last_ && now - *last_ < std::chrono::seconds(1)) {
            ++held_back_;
            return false;
        }
        last_ = now;
        return true;
    }
    /// How many were not let through since this was last asked.
    std::uint64_t take_held_back() noexcept { return std::exchange(held_back_, 0); }

  private:
    std::optional<time_point> last_;
    std::uint64_t held_back_ = 0;
};

}  // namespace bight::detail
