// The names of Linux's sets of processors, where the system has none: the test case that asks for one is skipped.
#pragma once

#include "skip.hpp"

#include <cstddef>

struct cpu_set_t {};

inline void CPU_ZERO(cpu_set_t*) {}
inline void CPU_SET(std::size_t, cpu_set_t*) {}
inline bool CPU_ISSET(std::size_t, const cpu_set_t*) { return true; }
inline int CPU_COUNT(const cpu_set_t*) { return 0; }
inline int sched_getcpu() { return 0; }
inline int sched_setaffinity(int, std::size_t, const cpu_set_t*) { return -1; }
[[noreturn]] inline int sched_getaffinity(int, std::size_t, cpu_set_t*) {
    test::skip("only Linux has sched_getaffinity()");
}
