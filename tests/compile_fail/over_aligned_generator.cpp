// So is one of a generator.
// expect: a coroutine's parameter may need an alignment of 16 bytes at most
// at most 9 lines
#include <bight/generator/generator.hpp>

struct alignas(64) line {
    char bytes[64];
};

#ifdef MISTAKE
bight::generator<char> bytes_of(line l) {
#else
bight::generator<char> bytes_of(line& l) {
#endif
    for (const char c : l.bytes) co_yield c;
}
