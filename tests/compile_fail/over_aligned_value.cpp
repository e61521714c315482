// Compilers do not align coroutine frames further than to 16 bytes.
// expect: a task's value may need an alignment of 16 bytes at most
// at most 19 lines
#include <bight/core/task.hpp>

#ifdef MISTAKE
struct alignas(64) line {
#else
struct alignas(16) line {
#endif
    char bytes[64];
};

bight::task<line> read() { co_return line(); }
