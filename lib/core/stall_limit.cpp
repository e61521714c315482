// How long a task may hold a reactor before a warning.
#include "stall_watch.hpp"

#include <bight/core/error.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace bight::detail {

namespace {

constexpr const char* stall_variable = "BIGHT_STALL_LIMIT";

duration stall_time(std::int64_t count, std::string_view unit, std::string_view all) {
    if (unit == "us") return std::chrono::microseconds(count);
    if (unit == "ms") return std::chrono::milliseconds(count);
    if (unit == "s") return std::chrono::seconds(count);
    if (unit == "min") return std::chrono::minutes(count);
    if (unit.empty() && count == 0) return duration::zero();
    throw std::system_error(errc::unavailable,
                            std::string(stall_variable) + " is \"" + std::string(all) +
                                "\", which is no time: write a whole number and its unit (us, ms, s or min), "
                                "as in 100ms or 2s, or 0 for no warnings");
}

duration parse_stall_limit(std::string_view text) {
    std::int64_t count = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, count);
    const bool a_number = error == std::errc() && count >= 0;
    return stall_time(count, a_number ? std::string_view(rest, end) : "no number", text);
}

}  // namespace

duration stall_limit_of(const reactor_options& options, bool simulated) {
    if (options.stall_limit) return *options.stall_limit;
    if (simulated) return duration::zero();
    const char* const text = std::getenv(stall_variable);
    if (text && *text) return parse_stall_limit(text);
    return options.debug_build ? duration(std::chrono::seconds(1)) : duration::zero();
}

}  // namespace bight::detail
