// to_utf16, to_utf8: text as the calls of Windows take and give it.
#pragma once

#include <string>
#include <string_view>

namespace bight::detail {

/// Throws std::bad_alloc. Empty when the text is no UTF-8.
std::wstring to_utf16(std::string_view text);
/// Throws std::bad_alloc. What is no UTF-16 becomes U+FFFD.
std::string to_utf8(std::wstring_view text);

}  // namespace bight::detail
