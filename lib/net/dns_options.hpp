// contents_of_file: what is in a file of the machine's resolver.
#pragma once

#include <string>

namespace bight::detail {

/// Empty when it cannot be opened. Throws std::system_error, with the path, when it cannot be read. Blocks.
std::string contents_of_file(const std::string& path);

}  // namespace bight::detail
