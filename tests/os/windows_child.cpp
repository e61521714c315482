// A program that the tests of child processes start on Windows, where no shell could be relied upon.
//
//   windows_child.exe WHAT [ARGUMENT...]
#include <windows.h>

#include <shellapi.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string utf8(std::wstring_view text) {
    const int given = static_cast<int>(text.size());
    const int size = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), given, nullptr, 0, nullptr, nullptr);
    std::string made(static_cast<std::size_t>(size), '\0');
    if (size > 0) ::WideCharToMultiByte(CP_UTF8, 0, text.data(), given, made.data(), size, nullptr, nullptr);
    return made;
}

std::vector<std::wstring> arguments() {
    int count = 0;
    wchar_t** const all = ::CommandLineToArgvW(::GetCommandLineW(), &count);
    std::vector<std::wstring> made(all, all + count);
    ::LocalFree(all);
    return made;
}

void write_to(DWORD which, std::string_view text) {
    const HANDLE to = ::GetStdHandle(which);
    while (!text.empty()) {
        DWORD count = 0;
        if (!::WriteFile(to, text.data(), static_cast<DWORD>(text.size()), &count, nullptr))
            ::ExitProcess(32);
        text.remove_prefix(count);
    }
}
void say(std::string_view text) { write_to(STD_OUTPUT_HANDLE, text); }

/// Bytes of the standard input, 0 at its end.
DWORD hear(char* to, DWORD size) {
    DWORD count = 0;
    return ::ReadFile(::GetStdHandle(STD_INPUT_HANDLE), to, size, &count, nullptr) ? count : 0;
}

std::string hear_all() {
    std::string all;
    char part[4096];
    while (const DWORD count = hear(part, sizeof part)) all.append(part, count);
    return all;
}

/// Starts this program again, with these standard handles and this argument.
void start_again(const wchar_t* what) {
    wchar_t path[MAX_PATH];
    ::GetModuleFileNameW(nullptr, path, MAX_PATH);
    std::wstring line = L"\"" + std::wstring(path) + L"\" " + what;
    STARTUPINFOW how{};
    how.cb = sizeof how;
    how.dwFlags = STARTF_USESTDHANDLES;
    how.hStdInput = ::GetStdHandle(STD_INPUT_HANDLE);
    how.hStdOutput = ::GetStdHandle(STD_OUTPUT_HANDLE);
    how.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
    for (const HANDLE h : {how.hStdInput, how.hStdOutput, how.hStdError}) {
        ::SetHandleInformation(h, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    }
    PROCESS_INFORMATION made{};
    if (!::CreateProcessW(path, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &how, &made)) {
        ::ExitProcess(33);
    }
    ::CloseHandle(made.hThread);
    ::CloseHandle(made.hProcess);
}

BOOL WINAPI says_break(DWORD event) {
    if (event != CTRL_BREAK_EVENT) return FALSE;
    say("break\n");
    ::ExitProcess(7);
}

int run(const std::vector<std::wstring>& all) {
    const std::wstring what = all.size() > 1 ? all[1] : L"";
    const auto number = [&](std::size_t i) { return std::wcstoul(all.at(i).c_str(), nullptr, 0); };
    if (what == L"arguments") {
        for (std::size_t i = 2; i < all.size(); ++i) say("<" + utf8(all[i]) + ">");
        return 7;
    }
    if (what == L"name") {
        say(utf8(all[0]));
    } else if (what == L"exit") {
        ::ExitProcess(static_cast<UINT>(number(2)));
    } else if (what == L"say") {
        say(utf8(all.at(2)));
    } else if (what == L"complain") {
        say("out");
        write_to(STD_ERROR_HANDLE, "err");
        return 3;
    } else if (what == L"environment") {
        for (const wchar_t* at = ::GetEnvironmentStringsW(); *at != L'\0'; at += std::wcslen(at) + 1) {
            say(utf8(at) + "\n");
        }
    } else if (what == L"directory") {
        wchar_t path[MAX_PATH];
        ::GetCurrentDirectoryW(MAX_PATH, path);
        say(utf8(path));
    } else if (what == L"cat") {
        char part[65536];
        while (const DWORD count = hear(part, sizeof part)) say({part, count});
    } else if (what == L"count") {
        say(std::to_string(hear_all().size()));
    } else if (what == L"sort") {  // bytes
        std::string text = hear_all();
        for (std::size_t i = 0; i < text.size(); ++i) {
            for (std::size_t k = i + 1; k < text.size(); ++k) {
                if (text[k] < text[i]) std::swap(text[i], text[k]);
            }
        }
        say(text);
    } else if (what == L"first") {  // so many bytes, and no more is read
        char byte = 0;
        for (auto left = number(2); left > 0 && hear(&byte, 1) == 1; --left) say({&byte, 1});
    } else if (what == L"yes") {
        std::string many;
        for (int i = 0; i < 2000; ++i) many += "y\n";
        for (;;) say(many);
    } else if (what == L"nothing-first") {  // writes of no bytes before and after the others
        DWORD count = 0;
        const HANDLE to = ::GetStdHandle(STD_OUTPUT_HANDLE);
        ::WriteFile(to, "", 0, &count, nullptr);
        say("a");
        ::WriteFile(to, "", 0, &count, nullptr);
        ::WriteFile(to, "", 0, &count, nullptr);
        say("b");
    } else if (what == L"until-end") {
        hear_all();
        return 3;
    } else if (what == L"close-and-wait") {  // closes its output, and lives until its input ends
        ::CloseHandle(::GetStdHandle(STD_OUTPUT_HANDLE));
        hear_all();
        return 4;
    } else if (what == L"sleep") {
        say("ready\n");
        ::Sleep(60000);
    } else if (what == L"break") {
        ::SetConsoleCtrlHandler(says_break, TRUE);
        say("ready\n");
        ::Sleep(60000);
    } else if (what == L"late") {  // a child of its own says something when the input has ended
        start_again(L"said-late");
        return 3;
    } else if (what == L"said-late") {
        hear_all();
        say("late");
    } else if (what == L"leader") {  // it ends, and leaves a child that does not
        start_again(L"sleep");
        char ready[6];
        hear(ready, 1);
    } else if (what == L"handles") {
        for (const DWORD which : {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE}) {
            const HANDLE h = ::GetStdHandle(which);
            DWORD flags = 0;
            const bool is_there = h && h != INVALID_HANDLE_VALUE && ::GetHandleInformation(h, &flags);
            if (which != STD_OUTPUT_HANDLE) say(is_there ? "1" : "0");
        }
        for (std::size_t i = 2; i < all.size(); ++i) {
            DWORD flags = 0;
            const auto h = reinterpret_cast<HANDLE>(static_cast<std::uintptr_t>(number(i)));
            say(::GetHandleInformation(h, &flags) ? "1" : "0");
        }
    } else {
        return 99;
    }
    return 0;
}

}  // namespace

int main() { return run(arguments()); }
