#include <bight/core/wall_clock.hpp>

#include "platform.hpp"

namespace bight {

std::chrono::system_clock::time_point wall_clock_now() noexcept {
    if (detail::platform* const simulated = detail::platform::current()) return simulated->wall_time();
    return std::chrono::system_clock::now();
}

}  // namespace bight
