// What nearly every test of connections includes besides, compiled once.
#ifndef BIGHT_TESTS_NET_PRECOMPILED
#define BIGHT_TESTS_NET_PRECOMPILED  // as in support/precompiled.hpp

#include "support/precompiled.hpp"

#include "support/connections.hpp"

#include <array>
#include <functional>
#include <optional>

#endif
