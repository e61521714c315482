// A place in a channel that nobody awaits is not kept.
// expect: co_await it
// at most 11 lines
#include <bight/sync/channel.hpp>

bight::task<> caller(bight::channel<int>& ch) {
#ifdef MISTAKE
    ch.reserve();
    co_return;
#else
    auto place = co_await ch.reserve();
    place.send(1);
#endif
}
