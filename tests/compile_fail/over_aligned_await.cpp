// What an await gives lies in the frame.
// expect: what is awaited, or what that gives, needs an alignment of more than 16 bytes
// at most 20 lines
#include <bight/sync/channel.hpp>

#include <memory>

struct alignas(64) line {
    char bytes[64];
};

#ifdef MISTAKE
bight::task<> write(bight::channel<line>& from) {
#else
bight::task<> write(bight::channel<std::unique_ptr<line>>& from) {
#endif
    while (auto one = co_await from.receive()) {
    }
}
