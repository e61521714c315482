// until, up_to: what the clients in storms do.
#pragma once

#include "storms.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace storms {

/// The clients are on hosts of their own: what they share they look at now and then. Throws broken when it
/// takes too long.
inline bight::task<> until(const int& count, int wanted, std::string what) {
    int looks = 0;
    while (count < wanted) {
        if (++looks == 20 * 60 * 20) throw broken("twenty minutes of good weather, and still not " + what);
        co_await bight::sleep_for(std::chrono::milliseconds(50));
    }
}

inline bight::duration up_to(bight::duration most) {
    return bight::duration(
        static_cast<bight::duration::rep>(bight::random_below(static_cast<std::uint64_t>(most.count()) + 1)));
}

}  // namespace storms
