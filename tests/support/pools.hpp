// Options for tests of thread pools.
#pragma once

#include <bight/thread/offload.hpp>
#include <bight/thread/thread_pool.hpp>

namespace test {

inline bight::offload_options on_pool(bight::thread_pool& pool) {
    bight::offload_options options;
    options.pool = &pool;
    return options;
}

}  // namespace test
