// room_for: options of an outbox that holds so much.
#pragma once

#include <bight/io/outbox.hpp>

#include <cstddef>

namespace test {

inline bight::outbox_options room_for(std::size_t bytes,
                                      bight::overflow_policy policy = bight::overflow_policy::disconnect) {
    bight::outbox_options options;
    options.capacity = bytes;
    options.when_full = policy;
    return options;
}

}  // namespace test
