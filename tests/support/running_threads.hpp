// running_threads: so that tests can see which threads the library has started.
#pragma once

#ifdef _WIN32
#include <windows.h>
// After windows.h.
#include <tlhelp32.h>
#elif defined(__APPLE__)
#include <mach/mach.h>
#else
#include <dirent.h>
#endif

namespace test {

/// How many threads this process has.
#ifdef _WIN32
inline int running_threads() {
    const HANDLE all = ::CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    if (all == INVALID_HANDLE_VALUE) return -1;
    int count = 0;
    THREADENTRY32 one{};
    one.dwSize = sizeof one;
    for (BOOL more = ::Thread32First(all, &one); more; more = ::Thread32Next(all, &one)) {
        if (one.th32OwnerProcessID == ::GetCurrentProcessId()) ++count;
    }
    ::CloseHandle(all);
    return count;
}
#elif defined(__APPLE__)
inline int running_threads() {
    thread_act_array_t all = nullptr;
    mach_msg_type_number_t count = 0;
    if (::task_threads(::mach_task_self(), &all, &count) != KERN_SUCCESS) return -1;
    for (mach_msg_type_number_t i = 0; i < count; ++i) ::mach_port_deallocate(::mach_task_self(), all[i]);
    ::vm_deallocate(::mach_task_self(), reinterpret_cast<vm_address_t>(all), count * sizeof(thread_act_t));
    return static_cast<int>(count);
}
#else
inline int running_threads() {
    DIR* const all = ::opendir("/proc/self/task");
    if (!all) return -1;
    int count = 0;
    while (::readdir(all)) ++count;
    ::closedir(all);
    return count - 2;  // "." and ".."
}
#endif

}  // namespace test
