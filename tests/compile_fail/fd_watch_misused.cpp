// A handler of an fd_watch is a plain function, and no coroutine; a descriptor is a number.
// at most 14 lines
#include <bight/net/fd_watch.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <memory>

bight::task<> work();

bight::task<> watches(bight::fd_watch& watch, int fd, bight::owned_descriptor d) {
#ifdef MISTAKE
    watch.add(fd, {.readable = true}, [](bight::fd_readiness) { return work(); });  // says: the handler gives nothing, and is no coroutine
    watch.add(fd, {.readable = true}, [] {});  // says: a function that takes a bight::fd_readiness
    watch.add(fd, {.readable = true}, [](const char*) {});  // says: a function that takes a bight::fd_readiness
    watch.add(fd, [] {}, [] {});  // says: what is to be told, {.readable = true}
    watch.add(fd, [](bight::fd_readiness) {});  // says: what is to be told, {.readable = true}
    watch.add(d, {.readable = true}, [](bight::fd_readiness) {});  // says: of an owned_descriptor its get()
    watch.add(fd, {.readable = true}, [own = std::make_unique<int>(1)](bight::fd_readiness) {});  // says: captures as a std::shared_ptr
    co_await bight::fd_ready(d, {.readable = true});  // says: of an owned_descriptor its get()
    co_await bight::fd_ready(fd);  // says: what is waited for, too: {.readable = true}
#else
    watch.add(fd, {.readable = true}, [](bight::fd_readiness) {});
    watch.add(d.get(), {.readable = true}, [own = std::make_shared<int>(1)](bight::fd_readiness) {});
    co_await bight::fd_ready(d.get(), {.readable = true});
#endif
}
