// A world of one host, for a program that does not know that it is simulated.
#pragma once

#include "../core/environment.hpp"

#include <memory>

namespace bight::sim::detail {

/// BIGHT_REACTOR=sim:SEED: the only host, called "localhost", of a world with this seed; it goes with what is
/// given. Null when the variable says something else. Throws std::system_error (errc::unavailable) for what
/// is no seed.
std::unique_ptr<bight::detail::environment> world_named_by_environment_variable();
/// Whether the variable names one.
bool environment_variable_names_a_world() noexcept;

}  // namespace bight::sim::detail
