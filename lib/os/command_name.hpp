// name_for_messages, descriptor_of: what errors call a command.
#pragma once

#include <bight/os/command.hpp>

#include <string>

namespace bight::detail {

/// What it is in messages: to_string, on one line, and not longer than a line or two.
std::string name_for_messages(const command& c);
/// "descriptor 3 of gpg", of such a name.
std::string descriptor_of(int number, const std::string& name);

}  // namespace bight::detail
