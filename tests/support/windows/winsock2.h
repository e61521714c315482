// Windows' functions for sockets, out of the way of those that posix.hpp declares.
#pragma once

#define accept winsock_accept
#define bind winsock_bind
#define connect winsock_connect
#define getpeername winsock_getpeername
#define getsockname winsock_getsockname
#define getsockopt winsock_getsockopt
#define listen winsock_listen
#define pollfd winsock_pollfd
#define recv winsock_recv
#define recvfrom winsock_recvfrom
#define send winsock_send
#define sendto winsock_sendto
#define setsockopt winsock_setsockopt
#define shutdown winsock_shutdown
#define socket winsock_socket
#include_next <winsock2.h>
#undef accept
#undef bind
#undef connect
#undef getpeername
#undef getsockname
#undef getsockopt
#undef listen
#undef pollfd
#undef recv
#undef recvfrom
#undef send
#undef sendto
#undef setsockopt
#undef shutdown
#undef socket
