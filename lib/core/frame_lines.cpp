#include "frame_lines.hpp"

#include "function_name.hpp"

#include <bight/core/error.hpp>

#include <string_view>

namespace bight::detail {

namespace {

bool is_of_bight(std::string_view function) noexcept {
    constexpr std::string_view lambda = "a lambda in ";
    if (function.starts_with(lambda)) function.remove_prefix(lambda.size());
    return function.starts_with("bight::");
}

std::string at_line(const std::string& function, const std::source_location& where) {
    return function + " at " + where.file_name() + ":" + std::to_string(where.line());
}

}  // namespace

bool is_of_bight(const std::source_location& where) {
    return is_of_bight(std::string_view(readable_name(where.function_name())));
}

void frame_lines::add(const std::source_location& where) {
    const std::string function = readable_name(where.function_name());
    const bool of_bight = is_of_bight(std::string_view(function));
    (of_bight ? bights_ : programs_) +=
        indent_ + (of_bight ? "through " : "in ") + at_line(function, where) + "\n";
}

void frame_lines::leave_out(std::size_t count) {
    programs_ += indent_ + "… " + std::to_string(count) + " more\n";
}

std::string describe_location(const std::source_location& where) {
    return at_line(readable_name(where.function_name()), where);
}

}  // namespace bight::detail
