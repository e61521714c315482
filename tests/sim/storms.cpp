#include "storms.hpp"

namespace storms {

bight::sim::world_options options() {
    bight::sim::world_options chosen;
    chosen.faults = bight::sim::fault_plan::storm();
    return chosen;
}

}  // namespace storms
