// An endpoint is text; what is something else has a form as one.
// at most 8 lines
#include <bight/bight.hpp>
#include <bight/net/owned_descriptor.hpp>

bight::task<> connects(bight::owned_descriptor socket) {
#ifdef MISTAKE
    bight::stream peer = co_await bight::connect(socket);  // says: an open socket descriptor.as_endpoint()
#else
    bight::stream peer = co_await bight::connect(socket.as_endpoint());
#endif
    peer.abort();
}
