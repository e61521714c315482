// An older standard is named before anything else fails.
// mistake compiled with: -std=c++17
// expect: bight needs C++20: compile with -std=c++20
// at most 15 lines
#include <bight/bight.hpp>
