// with_entries: a ring of a size.
#pragma once

#include <bight/core/reactor.hpp>

namespace test {

inline bight::reactor_options with_entries(unsigned count, unsigned buffers = 64) {
    bight::reactor_options options;
    options.submission_entries = count;
    options.receive_buffers = buffers;
    return options;
}

}  // namespace test
