#include "command_name.hpp"

#include "command_access.hpp"

#include <bight/core/error.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace bight::detail {

std::string name_for_messages(const command& c) {
    constexpr std::size_t longest = 200;
    command shown(std::string_view(c.program()).substr(0, longest));
    std::size_t size = c.program().size();
    for (const std::string& a : command_access::arguments(c)) {
        if (size >= longest) break;
        shown.argument(std::string_view(a).substr(0, longest - size));
        size += a.size();
    }
    std::string text = printable(shown.to_string());
    if (size >= longest) text += " ...";
    return text;
}

std::string descriptor_of(int number, const std::string& name) {
    return "descriptor " + std::to_string(number) + " of " + name;
}

}  // namespace bight::detail
