// thread_total: how many threads work for this process.
#pragma once

#include "catch.hpp"

#ifdef _WIN32
#include <windows.h>
// After windows.h.
#include <tlhelp32.h>
#else
#include <dirent.h>
#endif

namespace test {

#ifdef _WIN32

inline int thread_total() {
    HANDLE const all = ::CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    REQUIRE(all != INVALID_HANDLE_VALUE);
    int count = 0;
    THREADENTRY32 one{};
    one.dwSize = sizeof one;
    for (BOOL more = ::Thread32First(all, &one); more; more = ::Thread32Next(all, &one)) {
        count += one.th32OwnerProcessID == ::GetCurrentProcessId();
    }
    ::CloseHandle(all);
    return count;
}

#else

/// The kernel's, too.
inline int thread_total() {
    int count = 0;
    DIR* const all = ::opendir("/proc/self/task");
    REQUIRE(all);
    while (const dirent* one = ::readdir(all)) count += one->d_name[0] != '.';
    ::closedir(all);
    return count;
}

#endif

}  // namespace test
