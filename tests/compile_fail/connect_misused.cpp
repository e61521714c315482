// An endpoint is text; what is something else has a form as one.
// at most 9 lines
#include <bight/bight.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <utility>

bight::task<> connects(bight::owned_descriptor socket) {
#ifdef MISTAKE
    bight::stream peer = co_await bight::connect(socket.get());  // says: connect(std::move(d))
#else
    bight::stream peer = co_await bight::connect(std::move(socket));
#endif
    peer.abort();
}
