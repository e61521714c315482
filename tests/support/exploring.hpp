// Options for sim::explore in tests.
#pragma once

#include <bight/sim/explore.hpp>

#include <chrono>
#include <cstdint>

namespace test {

/// A search that prints nothing, on the two processors that any machine has.
inline bight::sim::explore_options quiet(std::uint64_t seeds) {
    bight::sim::explore_options options;
    options.seeds = seeds;
    options.jobs = 2;
    options.quiet = true;
    options.limit_for_each = std::chrono::seconds(20);
    return options;
}

}  // namespace test
