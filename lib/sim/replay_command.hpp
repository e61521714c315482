// replay_command: what to type to run one seed again.
#pragma once

#include <string>
#include <string_view>

namespace bight::sim::detail {

/// The environment variable that explore reads.
inline constexpr const char* replay_variable = "BIGHT_SIM_SEED";

/// A command for a shell that runs this program again, with the arguments that it has now and with `value` in
/// the variable: "BIGHT_SIM_SEED=36 ./storms '[chat]'", in several lines if the value is long.
std::string replay_command(std::string_view value);

/// `value` as a user may give it, without the spaces and line ends.
std::string without_spaces(std::string_view value);

}  // namespace bight::sim::detail
