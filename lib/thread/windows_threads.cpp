// Threads of Windows.
#include "system_threads.hpp"

#include "../core/system_error.hpp"

#include <windows.h>

#include <cstddef>
#include <string>
#include <system_error>

namespace bight::detail {

namespace {

constexpr int processors_in_mask = 8 * sizeof(DWORD_PTR);

using description_setter = HRESULT(WINAPI*)(HANDLE, PCWSTR);

// Windows 10 and later have it.
description_setter find_description_setter() noexcept {
    const HMODULE kernel = ::GetModuleHandleW(L"kernel32.dll");
    if (!kernel) return nullptr;
    void* const found = reinterpret_cast<void*>(::GetProcAddress(kernel, "SetThreadDescription"));
    return reinterpret_cast<description_setter>(found);
}

}  // namespace

// Those of its group of at most 64.
std::vector<int> usable_processors() {
    std::vector<int> found;
    DWORD_PTR ours = 0;
    DWORD_PTR all = 0;
    if (!::GetProcessAffinityMask(::GetCurrentProcess(), &ours, &all)) return found;
    for (int i = 0; i < processors_in_mask; ++i) {
        if ((ours >> i & 1) != 0) found.push_back(i);
    }
    return found;
}

void keep_to_processor(int number) {
    const bool possible = number >= 0 && number < processors_in_mask;
    const DWORD_PTR mask = possible ? DWORD_PTR{1} << number : 0;
    if (::SetThreadAffinityMask(::GetCurrentThread(), mask) != 0) return;
    throw std::system_error(system_error_code(last_error()),
                            "cannot keep a thread to processor " + std::to_string(number));
}

void name_thread(const char* name) noexcept {
    static const description_setter set_description = find_description_setter();
    if (!set_description) return;
    wchar_t wide[64];
    std::size_t size = 0;
    while (name[size] != '\0' && size + 1 < std::size(wide)) {
        wide[size] = static_cast<unsigned char>(name[size]);
        ++size;
    }
    wide[size] = L'\0';
    (void)set_description(::GetCurrentThread(), wide);
}

}  // namespace bight::detail
