#include "windows_program.hpp"

#include "command_name.hpp"
#include "windows_words.hpp"

#include "../core/system_error.hpp"
#include "../core/windows_text.hpp"

#include <bight/core/error.hpp>

#include <windows.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace bight::detail {

namespace {

bool equal_but_for_case(std::wstring_view a, std::wstring_view b) noexcept {
    return ::CompareStringOrdinal(a.data(), static_cast<int>(a.size()), b.data(), static_cast<int>(b.size()),
                                  TRUE) == CSTR_EQUAL;
}

// Empty when it is not set.
std::wstring list_here(const wchar_t* variable) {
    std::wstring value(::GetEnvironmentVariableW(variable, nullptr, 0), L'\0');
    if (value.empty()) return value;
    const DWORD size = ::GetEnvironmentVariableW(variable, value.data(), static_cast<DWORD>(value.size()));
    value.resize(std::min<std::size_t>(size, value.size() - 1));
    return value;
}

// Between semicolons; in quotes there may be others. Empty parts are left out.
std::vector<std::wstring> parts_of(std::wstring_view list) {
    std::vector<std::wstring> parts;
    std::wstring part;
    bool quoted = false;
    const auto end_part = [&] {
        if (!part.empty()) parts.push_back(part);
        part.clear();
    };
    for (const wchar_t c : list) {
        if (c == L'"') {
            quoted = !quoted;
        } else if (c == L';' && !quoted) {
            end_part();
        } else {
            part += c;
        }
    }
    end_part();
    return parts;
}

// Those of PATHEXT, as far as CreateProcess and cmd.exe run them; what else is there is for other programs.
std::vector<std::wstring> extensions() {
    std::vector<std::wstring> known{L".com", L".exe", L".bat", L".cmd"};
    std::vector<std::wstring> wanted = parts_of(list_here(L"PATHEXT"));
    std::erase_if(wanted, [&](const std::wstring& e) {
        return std::ranges::none_of(known, [&](const std::wstring& k) { return equal_but_for_case(k, e); });
    });
    return wanted.empty() ? known : wanted;
}

bool has_extension(std::wstring_view path) noexcept {
    const std::size_t name = path.find_last_of(L"/\\:");
    return path.find(L'.', name == std::wstring_view::npos ? 0 : name + 1) != std::wstring_view::npos;
}

bool is_absolute_or_of_a_drive(std::wstring_view path) noexcept {
    return path.starts_with(L'/') || path.starts_with(L'\\') || path.find(L':') == 1;
}

// Without dots and spaces at its end, which Windows ignores: so that nothing hides an extension.
std::wstring full_path_of(const std::wstring& path) {
    std::wstring full(::GetFullPathNameW(path.c_str(), 0, nullptr, nullptr), L'\0');
    full.resize(::GetFullPathNameW(path.c_str(), static_cast<DWORD>(full.size()), full.data(), nullptr));
    const std::size_t end = full.find_last_not_of(L" .");
    full.resize(end == std::wstring::npos ? 0 : end + 1);
    return full;
}

bool is_batch_file(std::wstring_view path) noexcept {
    if (path.size() < 4) return false;
    const std::wstring_view end = path.substr(path.size() - 4);
    return equal_but_for_case(end, L".bat") || equal_but_for_case(end, L".cmd");
}

class program_search {
  public:
    /// True when it is a file.
    bool look_at(const std::wstring& path) {
        const DWORD found = ::GetFileAttributesW(path.c_str());
        if (found == INVALID_FILE_ATTRIBUTES) {
            const DWORD error = ::GetLastError();
            if (error == ERROR_ACCESS_DENIED) error_ = error;
            return false;
        }
        if ((found & FILE_ATTRIBUTE_DIRECTORY) != 0) {
            error_ = ERROR_ACCESS_DENIED;
            return false;
        }
        file_ = full_path_of(path);
        return !file_.empty();
    }
    /// With each name that it may have.
    bool look_in(const std::wstring& before, const std::vector<std::wstring>& names) {
        return std::ranges::any_of(names, [&](const std::wstring& name) { return look_at(before + name); });
    }
    program_file file() const { return {file_, is_batch_file(file_)}; }
    DWORD error() const noexcept { return error_; }

  private:
    std::wstring file_;
    DWORD error_ = ERROR_FILE_NOT_FOUND;
};

std::string list_of(const std::vector<std::wstring>& names) {
    std::string text;
    for (const std::wstring& n : names) text += (text.empty() ? "" : ", ") + printable(to_utf8(n));
    return text;
}

}  // namespace

program_file find_program(const command& c, const std::wstring& directory) {
    const std::wstring program = wide_text_of(c, c.program(), "its name");
    const bool is_path = program.find_first_of(L"/\\:") != std::wstring::npos;
    std::vector<std::wstring> names;
    if (has_extension(program)) names.push_back(program);
    for (const std::wstring& e : extensions()) names.push_back(program + e);
    if (is_path && !has_extension(program)) names.push_back(program);
    program_search search;
    bool found = false;
    if (program.empty()) {
        names.clear();
    } else if (is_path) {
        const bool is_below = !directory.empty() && !is_absolute_or_of_a_drive(program);
        found = search.look_in(is_below ? directory + L"\\" : L"", names);
    } else {
        for (const std::wstring& place : parts_of(list_here(L"PATH"))) {
            found = search.look_in(place + L"\\", names);
            if (found) break;
        }
    }
    if (found) return search.file();
    std::string text = "process: run " + name_for_messages(c);
    if (!names.empty())
        text += (is_path ? " (looked for as " : " (looked for in PATH as ") + list_of(names) + ")";
    throw std::system_error(system_error_code(error_number(search.error())), text);
}

}  // namespace bight::detail
