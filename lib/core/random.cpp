#include <bight/core/random.hpp>

#include "environment.hpp"

#include <bight/sim/random.hpp>

#include <random>

namespace bight {

std::uint64_t random() noexcept {
    if (detail::environment* const simulated = detail::environment::current()) return simulated->random();
    static thread_local sim::random_source own = [] {
        std::random_device seed;
        return sim::random_source(std::uint64_t{seed()} << 32 | seed());
    }();
    return own.next();
}

}  // namespace bight
