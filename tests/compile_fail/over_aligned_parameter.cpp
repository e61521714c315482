// So a parameter that is an object in the frame is refused, too.
// expect: a coroutine's parameter may need an alignment of 16 bytes at most
// at most 10 lines
#include <bight/core/task.hpp>

struct alignas(64) line {
    char bytes[64];
};

#ifdef MISTAKE
bight::task<> write(line) { co_return; }
#else
bight::task<> write(const line&) { co_return; }
#endif
