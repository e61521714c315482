// contents_of_file: what is in a file of the machine's resolver.
#pragma once

#include <bight/core/export.hpp>

#include <string>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Empty when it cannot be opened. Throws std::system_error, with the path, when it cannot be read. Blocks.
std::string contents_of_file(const std::string& path);

}  // namespace detail
}  // namespace bight
