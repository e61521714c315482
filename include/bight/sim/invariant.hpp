// invariant_broken: the exception of the checkers of a simulated world.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace BIGHT_EXPORT bight {
namespace sim {

class world;

/// A condition that must hold in every run does not: `what()` says which, for whom, and when
/// (world::elapsed).
class invariant_broken : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

namespace detail {

/// Ends the world's run with invariant_broken(text). May be called anywhere, even in a task whose errors are
/// handled there, such as a connection of a server.
void report_broken_invariant(world& w, const std::string& text);
/// "1.234567 s".
std::string seconds_text(duration d);
/// "at 1.234567 s".
std::string at_time(duration since_begin);
/// " (at 1.234567 s)".
std::string now_in(const world& w);

/// `value` as text, for messages.
template <class T>
std::string text_of(const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        return '"' + std::string(std::string_view(value)) + '"';
    } else if constexpr (requires { std::to_string(value); }) {
        return std::to_string(value);
    } else if constexpr (requires { value.has_value() ? text_of(*value) : std::string(); }) {
        return value.has_value() ? text_of(*value) : "nothing";
    } else {
        return "(a value)";
    }
}

}  // namespace detail
}  // namespace sim
}  // namespace bight
