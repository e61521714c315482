// What tests of child processes share on Windows.
#pragma once

#include "support/catch.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/os/process.hpp>

#include <windows.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace test {

/// A reactor on a demultiplexer; at its end as many handles are open as before.
template <class F>
void with_children(F body) {
    const auto kind = GENERATE(from_range(demultiplexers()));
    INFO("on " << name_of(kind));
    reactor_fixture on(kind);
    on.run(body);
}

/// Whether Wine runs this: its ntdll has a function of this name, for programs that must know.
inline bool under_wine() {
    const HMODULE system = ::GetModuleHandleW(L"ntdll.dll");
    return system && ::GetProcAddress(system, "wine_get_version");
}

/// How many handles this process has open.
inline DWORD open_handles() {
    DWORD count = 0;
    ::GetProcessHandleCount(::GetCurrentProcess(), &count);
    return count;
}

/// The directory of the tests' programs.
inline std::filesystem::path program_directory() {
    wchar_t path[MAX_PATH];
    ::GetModuleFileNameW(nullptr, path, MAX_PATH);
    return std::filesystem::path(path).parent_path();
}

/// tests/os/windows_child.cpp.
inline std::string child_path() { return (program_directory() / "windows_child.exe").string(); }
template <class... Arguments>
bight::command child_program(std::string_view what, const Arguments&... arguments) {
    return bight::command(child_path(), what, arguments...);
}

/// All that comes from a stream until its end.
inline bight::task<std::string> all_of(bight::stream& from) {
    std::string all;
    while (auto part = co_await from.read_some()) all.append(part.begin(), part.end());
    co_return all;
}

/// What a program writes to its standard output.
inline bight::task<std::string> output_of(bight::command c) {
    c.pipe_from(1);
    bight::process child = bight::process::spawn(c);
    std::string all = co_await all_of(child.standard_output());
    co_await child.wait();
    co_return all;
}

/// Waits until a child has said that it is.
inline bight::task<> until_ready(bight::process& child) {
    const std::string line = co_await child.standard_output().read_until("\n");
    CHECK(line == "ready\n");
}

/// The error of a spawn, and its text.
struct spawn_error {
    std::error_code code;
    std::string text;
};
inline spawn_error error_of_spawn(const bight::command& c) {
    try {
        const bight::process child = bight::process::spawn(c);
    } catch (const std::system_error& e) {
        return {e.code(), e.what()};
    }
    return {};
}

}  // namespace test
