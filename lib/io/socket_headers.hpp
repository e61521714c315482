// The system's headers of sockets and their addresses.
#pragma once

#if defined(_WIN32)

#include <winsock2.h>

#include <afunix.h>
#include <mswsock.h>
#include <ws2tcpip.h>

// bight has members of that name.
#undef interface

#else

#if defined(__APPLE__)
#define __APPLE_USE_RFC_3542  // NOLINT(bugprone-reserved-identifier): in6_pktinfo, and what asks for it
#endif

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#endif
