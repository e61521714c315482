// A stream ends its connection when it goes, whoever else has a descriptor of it.
// at most 12 lines
#include <bight/net/descriptor_passing.hpp>

bight::task<> pass(bight::stream& worker, bight::stream client) {
#ifdef MISTAKE
    co_await bight::send_descriptor(worker, client, "take\n");  // says: a stream ends its connection when it goes
    co_await bight::send_descriptor(worker, std::move(client), "take\n");  // says: take its socket out first
#else
    auto socket = bight::release_descriptor(std::move(client));
    co_await bight::send_descriptor(worker, std::move(socket), "take\n");
#endif
}
