// now: the time on the clock of the reactor that runs here.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <source_location>

namespace BIGHT_EXPORT bight {

/// The time on the clock of the reactor that runs on this thread: the one that all deadlines are measured by,
/// monotonic, and virtual with reactor_options::clock and in a simulated world. For the date see
/// wall_clock_now. Throws a std::logic_error that names the line when no reactor runs on this thread.
time_point now(std::source_location where = std::source_location::current());

}  // namespace bight
