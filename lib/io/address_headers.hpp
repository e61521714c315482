// The system's functions for the text of addresses and the names of interfaces.
#pragma once

#include "socket_headers.hpp"

#if defined(_WIN32)
#include <iphlpapi.h>
#else
#include <arpa/inet.h>
#include <net/if.h>
#endif

namespace bight::detail {

/// Whether Unix sockets may have names that are no files (unix(7)).
#if defined(__linux__)
inline constexpr bool has_abstract_namespace = true;
#else
inline constexpr bool has_abstract_namespace = false;
#endif

}  // namespace bight::detail
