// g++ at -O0 needs an option, of which no macro tells but the one that bight's build hands on with it.
// mistake compiled with: -O0 -UBIGHT_SIBLING_CALLS
// expect: compile with -foptimize-sibling-calls -DBIGHT_SIBLING_CALLS
// at most 9 lines
#include <bight/core/task.hpp>
