// The headers that nearly every test includes, precompiled once for each program. Tests still include what
// they use, and compile without this (meson setup -Db_pch=false).
#ifndef BIGHT_TESTS_PRECOMPILED
#define BIGHT_TESTS_PRECOMPILED  // g++ warns of "#pragma once" in a header that it compiles by itself

#include "catch.hpp"
#include "reactors.hpp"

#include <bight/bight.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#endif
