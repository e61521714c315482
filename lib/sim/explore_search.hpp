// search, plan_part, shrink: the parts of sim::explore.
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

/// Writes to standard error, unless the options say that nothing is to be printed.
void print(const explore_options& options, const std::string& text);

/// Runs the seeds in child processes, until the first failure.
search_result search(world_test& test, const explore_options& options);

/// A part of a plan: some of its kinds of faults, and some of the faults that then happen; and under which
/// personality.
struct plan_part {
    std::optional<std::set<fault>> kinds;            ///< nullopt: all
    std::optional<std::vector<std::uint64_t>> only;  ///< the ids; nullopt: all
    std::optional<sim::personality> personality;     ///< nullopt: that of the options

    /// The plan of this part. What it excludes stays excluded when the test sets faults itself.
    fault_plan of(const fault_plan& whole) const;
    /// The options with that plan, and with its personality.
    world_options of(const world_options& whole) const;
    /// Whether all of these faults may happen in it.
    bool has(const std::vector<happened_fault>& happened) const;
    /// "personality=iocp:kinds=reset,pause:faults=5d1c7a90b2e4f613", or empty for all of it.
    std::string to_text() const;
    /// Throws std::invalid_argument.
    static plan_part parse(std::string_view text);
};

/// The text form of a fault's id.
std::string id_text(std::uint64_t id);

struct shrink_result {
    std::uint64_t seed = 0;
    plan_part part;
    unsigned runs = 0;
    bool cut_short = false;
};

/// `failure` is the failure of the seed with the whole plan. If a seed is found that fails in the same way
/// without any fault, it takes its place.
shrink_result shrink(world_test& test, std::uint64_t seed, const explore_options& options,
                     const attempt& failure);

}  // namespace bight::sim::detail
