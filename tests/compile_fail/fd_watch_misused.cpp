// A handler of an fd_watch is a plain function, and no coroutine.
// at most 8 lines
#include <bight/net/fd_watch.hpp>

bight::task<> work();

void watches(bight::fd_watch& watch, int fd) {
#ifdef MISTAKE
    watch.add(fd, {.readable = true}, [](bight::fd_readiness) { return work(); });  // says: the handler gives nothing, and is no coroutine
#else
    watch.add(fd, {.readable = true}, [](bight::fd_readiness) {});
#endif
}
