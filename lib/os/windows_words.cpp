#include "windows_words.hpp"

#include "command_access.hpp"
#include "command_name.hpp"

#include "../core/system_error.hpp"
#include "../core/windows_text.hpp"

#include <bight/core/error.hpp>

#include <windows.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

constexpr std::size_t longest_line = 32766;     // of CreateProcess
constexpr std::size_t longest_cmd_line = 8191;  // of cmd.exe

[[noreturn]] void refuse_words(const command& c, int error, const std::string& why) {
    throw std::system_error(system_error_code(error), "process: " + name_for_messages(c) + ": " + why);
}

void check_length(const command& c, const std::wstring& line, std::size_t most) {
    if (line.size() <= most) return;
    refuse_words(c, E2BIG,
                 "its command line has " + std::to_string(line.size()) + " characters, and Windows takes " +
                     std::to_string(most));
}

// What neither cmd.exe nor who splits a line takes for more than a part of a word.
bool needs_no_quotes(std::wstring_view word) noexcept {
    return !word.empty() && std::ranges::all_of(word, [](wchar_t c) {
        return (c >= L'a' && c <= L'z') || (c >= L'A' && c <= L'Z') || (c >= L'0' && c <= L'9') ||
               std::wstring_view(L"_-+:./\\@#").find(c) != std::wstring_view::npos;
    });
}

// Backslashes are themselves, unless a quote follows.
void append_in_quotes(std::wstring& line, std::wstring_view word) {
    line += L'"';
    std::size_t backslashes = 0;
    for (const wchar_t c : word) {
        if (c == L'"') line.append(backslashes + 1, L'\\');
        backslashes = c == L'\\' ? backslashes + 1 : 0;
        line += c;
    }
    line.append(backslashes, L'\\');
    line += L'"';
}

// Within quotes cmd.exe still replaces variables, and a quote ends them; a line ends where it ends.
void append_batch_word(const command& c, std::wstring& line, std::wstring_view word, const char* what) {
    if (word.find_first_of(L"\"%\r\n") != std::wstring_view::npos) {
        refuse_words(c, EINVAL,
                     std::string(what) +
                         " has a quote, a percent sign or a line end, which cmd.exe, that runs "
                         "batch files, would not pass on as it is");
    }
    if (needs_no_quotes(word)) {
        line += word;
    } else {
        append_in_quotes(line, word);
    }
}

bool same_name(std::wstring_view a, std::wstring_view b) noexcept {
    return ::CompareStringOrdinal(a.data(), static_cast<int>(a.size()), b.data(), static_cast<int>(b.size()),
                                  TRUE) == CSTR_EQUAL;
}

// Those of drives ("=C:") begin with an =.
std::wstring_view variable_name(std::wstring_view text) noexcept {
    return text.substr(0, text.find(L'=', 1));
}

class variables {
  public:
    void inherit() {
        wchar_t* const all = ::GetEnvironmentStringsW();
        if (!all) return;
        struct freed {
            wchar_t* all;
            ~freed() { ::FreeEnvironmentStringsW(all); }
        } const guard{all};
        for (const wchar_t* at = all; *at != L'\0'; at += texts_.back().size() + 1) texts_.emplace_back(at);
    }
    void set(const std::wstring& name, const std::optional<std::wstring>& value) {
        std::erase_if(texts_, [&](const std::wstring& t) { return same_name(variable_name(t), name); });
        if (value) texts_.push_back(name + L"=" + *value);
    }
    /// In the order that Windows wants them.
    std::wstring block() {
        std::ranges::sort(texts_, [](const std::wstring& a, const std::wstring& b) {
            const std::wstring_view x = variable_name(a);
            const std::wstring_view y = variable_name(b);
            return ::CompareStringOrdinal(x.data(), static_cast<int>(x.size()), y.data(),
                                          static_cast<int>(y.size()), TRUE) == CSTR_LESS_THAN;
        });
        std::wstring all;
        for (const std::wstring& t : texts_) all.append(t).append(1, L'\0');
        all.append(texts_.empty() ? 2 : 1, L'\0');
        return all;
    }

  private:
    std::vector<std::wstring> texts_;
};

std::optional<std::wstring> variable_here(const wchar_t* name) {
    const DWORD size = ::GetEnvironmentVariableW(name, nullptr, 0);
    if (size == 0) return std::nullopt;
    std::wstring value(size, L'\0');
    value.resize(std::min(::GetEnvironmentVariableW(name, value.data(), size), size - 1));
    return value;
}

}  // namespace

std::wstring wide_text_of(const command& c, std::string_view text, const char* what) {
    if (text.find('\0') != std::string_view::npos) {
        refuse_words(c, EINVAL, std::string(what) + " has a zero byte");
    }
    std::wstring wide = to_utf16(text);
    if (wide.empty() && !text.empty()) refuse_words(c, EILSEQ, std::string(what) + " is no UTF-8");
    return wide;
}

void append_argument(std::wstring& line, std::wstring_view argument) {
    line += L' ';
    if (needs_no_quotes(argument)) {
        line += argument;
    } else {
        append_in_quotes(line, argument);
    }
}

// The first word is read by other rules: a quote ends it, whatever comes before.
std::wstring command_line_of(const command& c) {
    const std::wstring name = wide_text_of(c, command_access::name(c), "its name");
    if (name.find(L'"') != std::wstring::npos) refuse_words(c, EINVAL, "its name has a quote");
    std::wstring line = L"\"" + name + L"\"";
    for (const std::string& a : command_access::arguments(c)) {
        append_argument(line, wide_text_of(c, a, "an argument"));
    }
    check_length(c, line, longest_line);
    return line;
}

// /s takes the outer quotes away and leaves the rest as it is; /d: nothing that the user has set up runs
// before; /v:off: no variables between exclamation marks.
std::wstring batch_line_of(const command& c, const std::wstring& cmd, const std::wstring& file) {
    std::wstring line = L"\"" + cmd + L"\" /d /e:on /v:off /s /c \"";
    if (file.find(L'%') != std::wstring::npos) refuse_words(c, EINVAL, "its path has a percent sign");
    line += L"\"" + file + L"\"";
    for (const std::string& a : command_access::arguments(c)) {
        line += L' ';
        append_batch_word(c, line, wide_text_of(c, a, "an argument"), "an argument");
    }
    line += L"\"";
    check_length(c, line, longest_cmd_line);
    return line;
}

std::wstring environment_block_of(const command& c) {
    const auto& changes = command_access::variables(c);
    variables all;
    if (command_access::inherits_environment(c)) {
        all.inherit();
    } else {
        all.set(L"SystemRoot", variable_here(L"SystemRoot"));
    }
    for (const auto& [name, value] : changes) {
        if (name.empty() || name.find('=') != std::string::npos) {
            refuse_words(c, EINVAL,
                         "the name of a variable is empty, or has an =: \"" + printable(name) + "\"");
        }
        std::optional<std::wstring> wide;
        if (value) wide = wide_text_of(c, *value, "the value of a variable");
        all.set(wide_text_of(c, name, "the name of a variable"), wide);
    }
    return all.block();
}

}  // namespace bight::detail
