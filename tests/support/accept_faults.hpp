// Errors of accept(2) on demand: it defines accept4.
#pragma once

#include "demux/demultiplexer.hpp"
#include "demux/ring_state.hpp"

#include <bight/core/reactor.hpp>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <utility>

namespace test {

/// What the program's next calls of accept4 fail with, one after the other; then they are made.
inline std::deque<int>& accept_errors() {
    static std::deque<int> errors;
    return errors;
}

/// What every call of accept4 fails with while it is not 0, and how many did.
inline int accept_always_fails = 0;
inline long accepts_failed = 0;
inline int last_accept_error = 0;

/// The next accept on the listening socket `handle` fails with `error`, one after the other if it is called
/// again. An io_uring accepts without a system call: there the error is put where its completion would put
/// it, and the last one wins.
inline void fail_accept(bight::reactor& r, int handle, int error) {
    if (r.demultiplexer_name() != "io_uring") {
        accept_errors().push_back(error);
        return;
    }
    auto* d = r.demultiplexer().first();
    while (d->fd != handle) d = d->next;
    if (!d->ring) d->ring = new bight::detail::ring_state;  // its descriptor deletes it
    d->ring->listening = true;
    d->ring->has_end = true;
    d->ring->end = -error;
}

}  // namespace test

extern "C" int accept_or_fail(int fd, sockaddr* address, socklen_t* size, int flags) __asm__("accept4");

// It takes the place of the C library's. Weak: the files of a program that include it all have it.
// NOLINTNEXTLINE(misc-definitions-in-headers)
extern "C" [[gnu::weak]] int accept_or_fail(int fd, sockaddr* address, socklen_t* size, int flags) {
    int error = test::accept_always_fails;
    if (error == 0 && !test::accept_errors().empty()) {
        error = test::accept_errors().front();
        test::accept_errors().pop_front();
    }
    test::last_accept_error = error;
    if (error != 0) {
        ++test::accepts_failed;
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}

extern "C" int accept_likewise(int fd, sockaddr* address, socklen_t* size) __asm__("accept");

// What is asked where accept4 seems to be refused: it fails with the same.
// NOLINTNEXTLINE(misc-definitions-in-headers)
extern "C" [[gnu::weak]] int accept_likewise(int fd, sockaddr* address, socklen_t* size) {
    if (const int error = std::exchange(test::last_accept_error, 0); error != 0) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_accept, fd, address, size));
}
