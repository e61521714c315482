#include "system_threads.hpp"

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <cerrno>
#include <string>
#include <system_error>

namespace bight::detail {

namespace {

[[noreturn]] void cannot_keep_to(int number, int error) {
    throw std::system_error(error, std::system_category(),
                            "cannot keep a thread to processor " + std::to_string(number));
}

}  // namespace

#if defined(__linux__)

std::vector<int> usable_processors() {
    std::vector<int> found;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) < 0) return found;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &set)) found.push_back(i);
    }
    return found;
}

void keep_to_processor(int number) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(number, &set);
    if (::sched_setaffinity(0, sizeof set, &set) < 0) cannot_keep_to(number, errno);
}

void name_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

#else

std::vector<int> usable_processors() { return {}; }
void keep_to_processor(int number) { cannot_keep_to(number, ENOTSUP); }

void name_thread(const char* name) noexcept {
#if defined(__APPLE__)
    ::pthread_setname_np(name);
#else
    ::pthread_setname_np(::pthread_self(), name);
#endif
}

#endif

}  // namespace bight::detail
