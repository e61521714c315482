// Catches simulated programs that use the machine's clock, network, chance or threads after all.
//
// To be included in one source file of a test program on Linux: it defines functions of the C library
// (clock_gettime, socket, …), which then come here first, whoever calls them: std::chrono, a library, the
// program. Within a turn of a simulated host the first such call is a failure of its world, which world::run
// throws as bight::sim::escaped; everywhere else the calls go on to the C library as ever. Not with
// sanitizers, which put functions of their own in these places.
#pragma once

#include <bight/core/export.hpp>

#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace sim::detail {

/// In lib/sim/guard.cpp.
void used_the_machine(const char* function) noexcept;

template <class F>
F* next_of(const char* function) noexcept {
    return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, function));
}

}  // namespace sim::detail
}  // namespace bight

// NOLINTBEGIN(misc-definitions-in-headers,readability-inconsistent-*,readability-redundant-declaration): it
// is for one source file, and these are the C library's.

#define BIGHT_SIM_GUARD(function, ...)                                                        \
    ::bight::sim::detail::used_the_machine(#function);                                        \
    static auto* const next = ::bight::sim::detail::next_of<decltype(::function)>(#function); \
    return next(__VA_ARGS__)

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept { BIGHT_SIM_GUARD(clock_gettime, clock, time); }
int gettimeofday(timeval* time, void* zone) noexcept { BIGHT_SIM_GUARD(gettimeofday, time, zone); }
time_t time(time_t* into) noexcept { BIGHT_SIM_GUARD(time, into); }
int nanosleep(const timespec* wanted, timespec* left) { BIGHT_SIM_GUARD(nanosleep, wanted, left); }
int clock_nanosleep(clockid_t clock, int flags, const timespec* wanted, timespec* left) {
    BIGHT_SIM_GUARD(clock_nanosleep, clock, flags, wanted, left);
}
int usleep(useconds_t wanted) { BIGHT_SIM_GUARD(usleep, wanted); }
unsigned sleep(unsigned wanted) { BIGHT_SIM_GUARD(sleep, wanted); }
int getentropy(void* into, std::size_t size) { BIGHT_SIM_GUARD(getentropy, into, size); }
int socket(int domain, int type, int protocol) noexcept { BIGHT_SIM_GUARD(socket, domain, type, protocol); }
int connect(int fd, const sockaddr* to, socklen_t size) { BIGHT_SIM_GUARD(connect, fd, to, size); }
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
    BIGHT_SIM_GUARD(pthread_create, thread, attributes, start, argument);
}

}  // extern "C"

#undef BIGHT_SIM_GUARD

// NOLINTEND(misc-definitions-in-headers,readability-inconsistent-*,readability-redundant-declaration)
