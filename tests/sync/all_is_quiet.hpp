// all_is_quiet: for tests in virtual time.
#pragma once

#include <bight/core/sleep.hpp>

#include <chrono>

namespace test {

/// Everything else that can run does so first.
inline bight::detail::sleep_awaiter all_is_quiet() { return bight::sleep_for(std::chrono::milliseconds(1)); }

}  // namespace test
