// Errors of accept(2) on demand.
#pragma once

#include "demux/demultiplexer.hpp"
#include "demux/ring_state.hpp"

#include "support/catch.hpp"

#include <bight/core/reactor.hpp>

#include <deque>

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
    bight::detail::descriptor* d = nullptr;
    for (auto& each : bight::detail::demultiplexer_of(r).descriptors()) {
        if (each.fd == handle) d = &each;
    }
    REQUIRE(d != nullptr);
    if (!d->ring) d->ring = new bight::detail::ring_state;  // its descriptor deletes it
    d->ring->listening = true;
    d->ring->has_end = true;
    d->ring->end = -error;
}

}  // namespace test
