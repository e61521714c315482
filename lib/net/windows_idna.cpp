// IDNA by IdnToAscii.
#include "idna.hpp"

#include "../core/system_error.hpp"
#include "../core/windows_text.hpp"

#include <bight/core/error.hpp>

#include <windows.h>

#include <cerrno>
#include <iterator>
#include <string>
#include <system_error>

namespace bight::detail {

namespace {

using to_idna = int(WINAPI*)(DWORD flags, LPCWSTR name, int size, LPWSTR form, int room);

// In normaliz.dll, for which a program would have to be linked.
to_idna find_call() noexcept {
    const HMODULE library = ::LoadLibraryExW(L"normaliz.dll", nullptr, LOAD_LIBRARY_SEARCH_SYSTEM32);
    return library
               ? reinterpret_cast<to_idna>(reinterpret_cast<void*>(::GetProcAddress(library, "IdnToAscii")))
               : nullptr;
}

}  // namespace

std::string idna_form(const std::string& name) {
    static const to_idna call = find_call();
    const std::wstring wide = to_utf16(name);
    wchar_t form[256];  // a name has at most 253 characters
    const int size =
        call ? call(0, wide.data(), static_cast<int>(wide.size()), form, static_cast<int>(std::size(form)))
             : 0;
    if (size <= 0) {
        throw std::system_error(
            EINVAL, errno_category(),
            "look-up of " + name + ": it has no IDNA form (xn--…) that the system can make");
    }
    std::string ascii;
    for (int i = 0; i < size; ++i) ascii += static_cast<char>(form[i]);
    return ascii;
}

}  // namespace bight::detail
