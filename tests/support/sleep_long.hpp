// sleep_long: a task that is there until it is cancelled.
#pragma once

#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include <chrono>

namespace test {

inline bight::task<> sleep_long() { co_await bight::sleep_for(std::chrono::hours(1)); }

}  // namespace test
