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
    /// Whether a message may be written at `now`. If so, `held_back` is how many were not since the last one
    /// that was.
    bool lets_through(time_point now, std::uint64_t& held_back) noexcept {
        if (last_ && now - *last_ < std::chrono::seconds(1)) {
            ++held_back_;
            return false;
        }
        last_ = now;
        held_back = std::exchange(held_back_, 0);
        return true;
    }

  private:
    std::optional<time_point> last_;
    std::uint64_t held_back_ = 0;
};

}  // namespace bight::detail
