// What nearly every test of the simulation includes besides, compiled once.
#ifndef BIGHT_TESTS_SIM_PRECOMPILED
#define BIGHT_TESTS_SIM_PRECOMPILED  // as in support/precompiled.hpp

#include "support/precompiled.hpp"

#include "support/places.hpp"

#include <bight/sim/world.hpp>

#include <functional>
#include <optional>

#endif
