// Errors of Winsock's accept and AcceptEx on demand.
#pragma once

#include "support/catch.hpp"
#include "support/windows/socket_faults.hpp"

#include "core/system_error.hpp"

#include <bight/core/reactor.hpp>

#include <windows.h>

#include <cerrno>
#include <deque>
#include <string>
#include <vector>

// Windows has no such errors.
#ifndef ENONET
#define ENONET 64
#endif
#ifndef EHOSTDOWN
#define EHOSTDOWN 112
#endif

namespace test {

/// The code of Windows for an error; 0 where it has none.
inline int windows_code_of(int error) {
    switch (error) {
        case ECONNABORTED: return WSAECONNABORTED;
        case EPERM: return ERROR_PRIVILEGE_NOT_HELD;
        case ENETDOWN: return WSAENETDOWN;
        case ENOPROTOOPT: return WSAENOPROTOOPT;
        case EINTR: return WSAEINTR;
        case EAGAIN: return WSAEWOULDBLOCK;
        case EHOSTUNREACH: return WSAEHOSTUNREACH;
        case EOPNOTSUPP: return WSAEOPNOTSUPP;
        case ENETUNREACH: return WSAENETUNREACH;
        case EMFILE: return WSAEMFILE;
        case ENOBUFS: return WSAENOBUFS;
        case ENOMEM: return WSA_NOT_ENOUGH_MEMORY;
        case EBADF: return WSAEBADF;
        case EINVAL: return WSAEINVAL;
        case ENOTSOCK: return WSAENOTSOCK;
        case EFAULT: return WSAEFAULT;
        default: return 0;
    }
}

/// Those of them that the system has.
inline std::vector<int> errors_here(std::vector<int> errors) {
    std::erase_if(errors, [](int error) { return windows_code_of(error) == 0; });
    return errors;
}

/// The text for an error of accept.
inline std::string text_of(int error) {
    using namespace bight::detail;
    return system_error_code(error_number(static_cast<unsigned long>(windows_code_of(error)))).message();
}

/// What the program's next calls fail with, one after the other; then they are made.
inline std::deque<int>& accept_errors() {
    static std::deque<int> errors;
    return errors;
}

/// What every call fails with while it is not 0, and how many did.
inline int accept_always_fails = 0;
inline long accepts_failed = 0;

namespace detail {

inline int next_accept_fault() {
    int error = accept_always_fails;
    if (error == 0 && !accept_errors().empty()) {
        error = accept_errors().front();
        accept_errors().pop_front();
    }
    if (error != 0) ++accepts_failed;
    return windows_code_of(error);
}

inline const bool accept_fails_on_demand = (accept_fault = &next_accept_fault, true);

}  // namespace detail

/// Whether this is Wine, where an accept in vain has no event recorded again.
inline bool under_wine() {
    return ::GetProcAddress(::GetModuleHandleA("ntdll.dll"), "wine_get_version") != nullptr;
}

/// The demultiplexers that accept by a call of the program's.
inline std::vector<bight::demultiplexer_kind> those_that_call_accept() {
    return {bight::demultiplexer_kind::iocp, bight::demultiplexer_kind::wfmo};
}

/// The next accept on the listening socket `handle` fails with `error`, one after the other if it is called
/// again.
inline void fail_accept(bight::reactor&, int handle, int error) {
    accept_errors().push_back(error);
    interrupt_accept(handle);
}

}  // namespace test
