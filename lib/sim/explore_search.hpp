// The parts of sim::explore.
#pragma once

#include "explore_attempt.hpp"

#include <bight/sim/explore.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bight::sim::detail {

struct search_result {
    std::uint64_t seeds = 0;         ///< up to the one that failed
    std::int64_t simulated = 0;      ///< ns
    std::optional<attempt> failure;  ///< of first_seed + seeds - 1
};

/// Runs the seeds in processes of their own, until the first failure.
search_result search(world_test& test, const explore_options& options);

/// What is left of a plan: some of its kinds, and of the faults that happen then, some.
struct plan_part {
    std::optional<std::set<fault>> kinds;            ///< nullopt: all
    std::optional<std::vector<std::uint64_t>> only;  ///< the ids; nullopt: all

    /// What it leaves out stays out when the test sets faults itself.
    fault_plan of(const fault_plan& whole) const;
    /// Whether all of these may happen in it.
    bool has(const std::vector<happened_fault>& happened) const;
    /// "kinds=reset,pause:faults=5d1c7a90b2e4f613", or empty for all of it.
    std::string to_text() const;
    /// Throws std::invalid_argument.
    static plan_part parse(std::string_view text);
};

/// A fault's id, as people see it.
std::string id_text(std::uint64_t id);

struct shrink_result {
    std::uint64_t seed = 0;
    plan_part part;
    unsigned runs = 0;
    bool cut_short = false;
};

/// `failure` is what the seed gives with the whole plan. A seed that fails so without any fault takes its
/// place, if one is found.
shrink_result shrink(world_test& test, std::uint64_t seed, const explore_options& options,
                     const attempt& failure);

}  // namespace bight::sim::detail
