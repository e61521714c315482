// cpu_seconds: what this process has used of the processors.
#pragma once

#ifdef _WIN32
#include <winsock2.h>

#include <windows.h>
#else
#include <sys/resource.h>
#include <sys/time.h>
#endif

namespace test {

/// User and system time of all its threads.
inline double cpu_seconds() {
#ifdef _WIN32
    FILETIME begun, ended, in_kernel, in_program;
    ::GetProcessTimes(::GetCurrentProcess(), &begun, &ended, &in_kernel, &in_program);
    const auto seconds = [](const FILETIME& t) {  // in units of 100 ns
        return (double(t.dwHighDateTime) * 4294967296.0 + double(t.dwLowDateTime)) / 1e7;
    };
    return seconds(in_kernel) + seconds(in_program);
#else
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
#endif
}

}  // namespace test
