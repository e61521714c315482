// Catches simulated programs that use the real clock, random numbers, files, network, threads or processes.
//
// Include it in one source file of a test program on Linux: it replaces functions of the C library
// (clock_gettime, rand, socket, …), so that calls by the program, std::chrono and other libraries come here
// first. Within a turn of a simulated host the first such call makes the world fail: world::run throws
// bight::sim::escaped. Everywhere else the calls are passed on to the C library. It cannot be used with
// sanitizers, which replace the same functions. Calls inside the C library itself are not noticed.
#pragma once

#include <bight/core/export.hpp>

#if !defined(__linux__)
#error "bight/sim/guard.hpp replaces functions of Linux's C library: leave it out on other systems"
#include <linux>  // There is no such file: the compiler stops here, before it lists what follows from it.
#endif

#include <dlfcn.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

struct addrinfo;
struct hostent;
struct epoll_event;

namespace BIGHT_EXPORT bight {
namespace sim::detail {

/// Defined in lib/sim/guard.cpp.
void used_the_machine(const char* function) noexcept;

template <class F>
F* next_of(const char* function) noexcept {
    return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, function));
}

}  // namespace sim::detail
}  // namespace bight

// NOLINTBEGIN(misc-definitions-in-headers,readability-*,bugprone-reserved-identifier): it is for one source
// file, and these are the C library's.

// Each function has its own name here, and the C library's name in the object file. So it does not matter
// what the C library's headers do with that name (rename it for large files, or define an inline function for
// _FORTIFY_SOURCE).
#define BIGHT_SIM_GUARD_NAMED(name, symbol, result, function, parameters, ...)              \
    extern "C" result bight_sim_guard_##function parameters __asm__(symbol);                \
    extern "C" result bight_sim_guard_##function parameters {                               \
        ::bight::sim::detail::used_the_machine(name);                                       \
        static auto* const next = ::bight::sim::detail::next_of<result parameters>(symbol); \
        return next(__VA_ARGS__);                                                           \
    }
#define BIGHT_SIM_GUARD(result, function, ...) \
    BIGHT_SIM_GUARD_NAMED(#function, #function, result, function, __VA_ARGS__)

// Time.
BIGHT_SIM_GUARD(int, clock_gettime, (clockid_t clock, timespec* time), clock, time)
BIGHT_SIM_GUARD(int, timespec_get, (timespec * time, int base), time, base)
BIGHT_SIM_GUARD(int, gettimeofday, (timeval * time, void* zone), time, zone)
BIGHT_SIM_GUARD(time_t, time, (time_t* into), into)
BIGHT_SIM_GUARD(clock_t, clock, ())
BIGHT_SIM_GUARD(int, nanosleep, (const timespec* wanted, timespec* left), wanted, left)
BIGHT_SIM_GUARD(int, clock_nanosleep, (clockid_t clock, int flags, const timespec* wanted, timespec* left),
                clock, flags, wanted, left)
BIGHT_SIM_GUARD(int, usleep, (useconds_t wanted), wanted)
BIGHT_SIM_GUARD(unsigned, sleep, (unsigned wanted), wanted)
BIGHT_SIM_GUARD(int, poll, (pollfd * fds, nfds_t count, int limit), fds, count, limit)
BIGHT_SIM_GUARD(int, ppoll, (pollfd * fds, nfds_t count, const timespec* limit, const sigset_t* mask), fds,
                count, limit, mask)
BIGHT_SIM_GUARD(int, select, (int count, fd_set* read, fd_set* write, fd_set* other, timeval* limit), count,
                read, write, other, limit)
BIGHT_SIM_GUARD(int, epoll_wait, (int fd, epoll_event* events, int most, int limit), fd, events, most, limit)

// Random numbers.
BIGHT_SIM_GUARD(int, rand, ())
BIGHT_SIM_GUARD(long, random, ())
BIGHT_SIM_GUARD(double, drand48, ())
BIGHT_SIM_GUARD(long, lrand48, ())
BIGHT_SIM_GUARD(long, mrand48, ())
BIGHT_SIM_GUARD(int, getentropy, (void* into, std::size_t size), into, size)
BIGHT_SIM_GUARD(ssize_t, getrandom, (void* into, std::size_t size, unsigned flags), into, size, flags)
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 36)
BIGHT_SIM_GUARD(std::uint32_t, arc4random, ())
BIGHT_SIM_GUARD(std::uint32_t, arc4random_uniform, (std::uint32_t bound), bound)
BIGHT_SIM_GUARD(void, arc4random_buf, (void* into, std::size_t size), into, size)
#endif

// std::random_device, which uses the processor's generator where there is one.
#if defined(__GLIBCXX__)
BIGHT_SIM_GUARD_NAMED("std::random_device", "_ZNSt13random_device9_M_getvalEv", unsigned, random_device,
                      (void* device), device)
#endif

// Files. The mode argument is optional; passing it on when it is absent does no harm.
BIGHT_SIM_GUARD(int, open, (const char* name, int flags, mode_t mode), name, flags, mode)
BIGHT_SIM_GUARD(int, open64, (const char* name, int flags, mode_t mode), name, flags, mode)
BIGHT_SIM_GUARD(int, openat, (int at, const char* name, int flags, mode_t mode), at, name, flags, mode)
BIGHT_SIM_GUARD(int, openat64, (int at, const char* name, int flags, mode_t mode), at, name, flags, mode)
BIGHT_SIM_GUARD(int, creat, (const char* name, mode_t mode), name, mode)
BIGHT_SIM_GUARD(int, creat64, (const char* name, mode_t mode), name, mode)
BIGHT_SIM_GUARD(FILE*, fopen, (const char* name, const char* mode), name, mode)
BIGHT_SIM_GUARD(FILE*, fopen64, (const char* name, const char* mode), name, mode)

// The network.
BIGHT_SIM_GUARD(int, socket, (int domain, int type, int protocol), domain, type, protocol)
BIGHT_SIM_GUARD(int, socketpair, (int domain, int type, int protocol, int* ends), domain, type, protocol,
                ends)
BIGHT_SIM_GUARD(int, connect, (int fd, const sockaddr* to, socklen_t size), fd, to, size)
BIGHT_SIM_GUARD(int, getaddrinfo,
                (const char* name, const char* service, const addrinfo* hints, addrinfo** found), name,
                service, hints, found)
BIGHT_SIM_GUARD(hostent*, gethostbyname, (const char* name), name)

// Threads and processes.
BIGHT_SIM_GUARD(int, pthread_create,
                (pthread_t * thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument),
                thread, attributes, start, argument)
BIGHT_SIM_GUARD(pid_t, fork, ())
BIGHT_SIM_GUARD(int, posix_spawn,
                (pid_t * child, const char* path, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment),
                child, path, actions, attributes, arguments, environment)
BIGHT_SIM_GUARD(int, posix_spawnp,
                (pid_t * child, const char* path, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment),
                child, path, actions, attributes, arguments, environment)
BIGHT_SIM_GUARD(int, system, (const char* command), command)
BIGHT_SIM_GUARD(FILE*, popen, (const char* command, const char* mode), command, mode)

#undef BIGHT_SIM_GUARD
#undef BIGHT_SIM_GUARD_NAMED

// NOLINTEND(misc-definitions-in-headers,readability-*,bugprone-reserved-identifier)
