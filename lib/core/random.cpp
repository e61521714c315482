#include <bight/core/random.hpp>

#include "platform.hpp"
#include "process.hpp"

#include <bight/core/detail/split_mix.hpp>

#include <chrono>
#include <exception>
#include <random>

namespace bight {

namespace {

std::uint64_t seed() noexcept {
    try {
        std::random_device device;
        return std::uint64_t{device()} << 32 | device();
    } catch (const std::exception&) {  // a filter, or no devices: at least not twice the same seed
        const auto now = std::chrono::system_clock::now().time_since_epoch().count();
        return static_cast<std::uint64_t>(now) ^ static_cast<std::uint64_t>(detail::process_number()) << 48;
    }
}

}  // namespace

std::uint64_t random() noexcept {
    if (detail::platform* const simulated = detail::platform::current()) return simulated->random();
    static thread_local std::uint64_t state = 0;
    static thread_local unsigned seeded_in = 0;
    // Otherwise forked children would all draw the same numbers as their parent.
    if (const unsigned here = detail::this_process(); seeded_in != here) {
        state = seed();
        seeded_in = here;
    }
    return detail::split_mix(state);
}

}  // namespace bight
