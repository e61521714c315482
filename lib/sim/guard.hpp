// turn_of: records which simulated thread has its turn on this thread.
#pragma once

#include <bight/core/export.hpp>

namespace bight::sim::detail {

struct host_thread;
struct world_state;

/// While it lives, the actions of this thread are attributed to `that`.
class turn_of {
  public:
    explicit turn_of(host_thread& that) noexcept;
    turn_of(const turn_of&) = delete;
    turn_of& operator=(const turn_of&) = delete;
    ~turn_of();

  private:
    world_state& world_;
};

}  // namespace bight::sim::detail

namespace BIGHT_EXPORT bight {
namespace sim::detail {

/// Called from include/bight/sim/guard.hpp, which the library itself must not include.
void used_the_machine(const char* function) noexcept;

}  // namespace sim::detail
}  // namespace bight
