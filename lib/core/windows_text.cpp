#include "windows_text.hpp"

#include <windows.h>

namespace bight::detail {

std::wstring to_utf16(std::string_view text) {
    const int given = static_cast<int>(text.size());
    const int size = ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), given, nullptr, 0);
    std::wstring wide(static_cast<std::size_t>(size), L'\0');
    if (size > 0) ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), given, wide.data(), size);
    return wide;
}

std::string to_utf8(std::wstring_view text) {
    const int given = static_cast<int>(text.size());
    const int size = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), given, nullptr, 0, nullptr, nullptr);
    std::string narrow(static_cast<std::size_t>(size), '\0');
    if (size > 0)
        ::WideCharToMultiByte(CP_UTF8, 0, text.data(), given, narrow.data(), size, nullptr, nullptr);
    return narrow;
}

}  // namespace bight::detail
