#include <bight/sim/invariant.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>

namespace bight::sim::detail {

void report_broken_invariant(world& w, const std::string& text) {
    w.fail(std::make_exception_ptr(invariant_broken(text)));
}

std::string seconds_text(duration d) {
    // Not with printf, whose decimal point may be a comma (LC_NUMERIC).
    const auto total = std::chrono::round<std::chrono::microseconds>(d).count();
    const std::string fraction = std::to_string(std::abs(total % 1'000'000));
    return std::string(total < 0 ? "-" : "") + std::to_string(std::abs(total / 1'000'000)) + "." +
           std::string(6 - fraction.size(), '0') + fraction + " s";
}

std::string at_time(duration since_begin) { return "at " + seconds_text(since_begin); }

std::string now_in(const world& w) { return " (" + at_time(w.elapsed()) + ")"; }

}  // namespace bight::sim::detail
