// Options for sim::explore in tests.
#pragma once

#include <bight/sim/explore.hpp>

#include <chrono>
#include <cstdint>

namespace test {

/// Whether each seed runs in a process of its own, where it may crash. Windows cannot fork one.
#if defined(_WIN32)
inline constexpr bool seeds_have_processes = false;
#else
inline constexpr bool seeds_have_processes = true;
#endif
inline constexpr const char* no_processes = "Windows has no processes in which a seed runs alone";

/// A search that prints nothing, on the two processors that any machine has.
inline bight::sim::explore_options quiet(std::uint64_t seeds) {
    bight::sim::explore_options options;
    options.seeds = seeds;
    options.jobs = 2;
    options.quiet = true;
    options.limit_for_each = std::chrono::seconds(20);
    return options;
}

/// No part of a coroutine: g++ 12 optimises the loop away there.
inline void turn_for_ever() {
    for (volatile bool turns = true; turns;) {
    }
}

}  // namespace test
