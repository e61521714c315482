// Errors of accept(2) on demand.
#pragma once

#ifdef _WIN32
#include "windows_accept_faults.hpp"
#else

#include "demux/demultiplexer.hpp"
#include "demux/ring_state.hpp"

#include "support/catch.hpp"

#include <bight/core/reactor.hpp>

#include <deque>
#include <string>
#include <system_error>
#include <vector>

namespace test {

/// Those of them that the system has.
inline std::vector<int> errors_here(std::vector<int> errors) { return errors; }

/// The text for an error of accept.
inline std::string text_of(int error) { return std::error_code(error, std::system_category()).message(); }

inline bool under_wine() { return false; }

/// The demultiplexers that accept by a call of the program's. An io_uring gives such an error as a
/// completion, which cannot be had without a kernel that does it.
inline std::vector<bight::demultiplexer_kind> those_that_call_accept() {
    return {bight::demultiplexer_kind::epoll, bight::demultiplexer_kind::poll,
            bight::demultiplexer_kind::select};
}

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

#endif
