#include "storms.hpp"

namespace storms {

bight::sim::world_options options() {
    bight::sim::world_options chosen;
    chosen.faults = bight::sim::fault_plan::storm();
    chosen.personality = bight::sim::personality::by_seed;
    return chosen;
}

bight::sim::half_open_peers half_open(bight::sim::world& w) {
    using bight::sim::half_open_peers;
    return w.random().below(2) > 0 ? half_open_peers::stay : half_open_peers::reset;
}

}  // namespace storms
