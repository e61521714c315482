// link_options: latency and bandwidth of a simulated network link.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace sim {

/// One direction of the link between two hosts. The latency of each packet is drawn uniformly from `least` to
/// `most`; with fault::slow_packet some packets take up to `tail`. Bytes of a connection never overtake each
/// other.
struct link_options {
    duration least = std::chrono::microseconds(100);
    duration most = std::chrono::milliseconds(2);
    duration tail = std::chrono::milliseconds(500);
    /// 0: unlimited.
    std::uint64_t bytes_per_second = 0;
};

}  // namespace sim
}  // namespace bight
