#include <bight/sim/invariant.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

namespace bight::sim::detail {

void report_broken_invariant(world& w, const std::string& text) {
    w.fail(std::make_exception_ptr(invariant_broken(text)));
}

std::string seconds_text(duration d) {
    char text[40];
    std::snprintf(text, sizeof text, "%.6f s", std::chrono::duration<double>(d).count());
    return text;
}

std::string at_time(duration since_begin) { return "at " + seconds_text(since_begin); }

std::string now_in(const world& w) { return " (" + at_time(w.elapsed()) + ")"; }

}  // namespace bight::sim::detail
