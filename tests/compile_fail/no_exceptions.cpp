// Errors leave tasks as exceptions.
// mistake compiled with: -fno-exceptions
// expect: bight needs exceptions, by which errors leave tasks: compile without -fno-exceptions
// at most 10 lines
#include <bight/core/task.hpp>
