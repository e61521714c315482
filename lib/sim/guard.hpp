// Which thread of a simulated host has its turn on this one.
#pragma once

#include <bight/core/export.hpp>

namespace bight::sim::detail {

struct host_thread;
struct world_state;

/// While it lives, what this thread does is the doing of `that`.
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

/// A call from include/bight/sim/guard.hpp, which cannot be included where it is not to take effect.
void used_the_machine(const char* function) noexcept;

}  // namespace sim::detail
}  // namespace bight
