// Errors leave tasks as exceptions.
// mistake compiled with: -fno-exceptions
// expect: bight needs exceptions, by which errors leave tasks: compile without -fno-exceptions
#include <bight/core/task.hpp>
