// How long a simulated network takes, and where it is cut.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace sim {

/// One direction between two hosts. Latency is drawn for each packet, evenly from `least` to `most`; with
/// fault::slow_packet one in so many takes up to `tail`. Bytes of a connection never overtake each other.
struct link_options {
    duration least = std::chrono::microseconds(100);
    duration most = std::chrono::milliseconds(2);
    duration tail = std::chrono::milliseconds(500);
    /// 0: as much as there is.
    std::uint64_t bytes_per_second = 0;
};

}  // namespace sim
}  // namespace bight
