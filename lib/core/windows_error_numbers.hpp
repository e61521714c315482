// errno_for_windows: which errno a code of Windows stands for.
#pragma once

#include <cerrno>

namespace bight::detail {

/// The errno for a code of GetLastError or WSAGetLastError; 0 for one that is in no table. The codes are
/// written as numbers ("System Error Codes" and "Windows Sockets Error Codes" in the documentation of
/// Windows), so that the table can be tested on every system.
constexpr int errno_for_windows(unsigned long code) noexcept {
    switch (code) {
        case 0: return 0;

        // Files, handles and memory
        case 1: return ENOSYS;          // ERROR_INVALID_FUNCTION
        case 2:                         // ERROR_FILE_NOT_FOUND
        case 3:                         // ERROR_PATH_NOT_FOUND
        case 15:                        // ERROR_INVALID_DRIVE
        case 53:                        // ERROR_BAD_NETPATH
        case 67:                        // ERROR_BAD_NET_NAME
        case 123:                       // ERROR_INVALID_NAME
        case 161: return ENOENT;        // ERROR_BAD_PATHNAME
        case 4: return EMFILE;          // ERROR_TOO_MANY_OPEN_FILES
        case 5:                         // ERROR_ACCESS_DENIED
        case 16:                        // ERROR_CURRENT_DIRECTORY
        case 32:                        // ERROR_SHARING_VIOLATION
        case 33:                        // ERROR_LOCK_VIOLATION
        case 1920: return EACCES;       // ERROR_CANT_ACCESS_FILE
        case 6: return EBADF;           // ERROR_INVALID_HANDLE
        case 8:                         // ERROR_NOT_ENOUGH_MEMORY
        case 14:                        // ERROR_OUTOFMEMORY
        case 1455: return ENOMEM;       // ERROR_COMMITMENT_LIMIT
        case 1450:                      // ERROR_NO_SYSTEM_RESOURCES
        case 1453: return ENOBUFS;      // ERROR_WORKING_SET_QUOTA
        case 17: return EXDEV;          // ERROR_NOT_SAME_DEVICE
        case 19: return EROFS;          // ERROR_WRITE_PROTECT
        case 20:                        // ERROR_BAD_UNIT
        case 55: return ENODEV;         // ERROR_DEV_NOT_EXIST
        case 29:                        // ERROR_WRITE_FAULT
        case 30:                        // ERROR_READ_FAULT
        case 31:                        // ERROR_GEN_FAILURE
        case 1117: return EIO;          // ERROR_IO_DEVICE
        case 36: return ENFILE;         // ERROR_SHARING_BUFFER_EXCEEDED
        case 39:                        // ERROR_HANDLE_DISK_FULL
        case 112: return ENOSPC;        // ERROR_DISK_FULL
        case 50: return EOPNOTSUPP;     // ERROR_NOT_SUPPORTED
        case 80:                        // ERROR_FILE_EXISTS
        case 183: return EEXIST;        // ERROR_ALREADY_EXISTS
        case 87:                        // ERROR_INVALID_PARAMETER
        case 131: return EINVAL;        // ERROR_NEGATIVE_SEEK
        case 120: return ENOSYS;        // ERROR_CALL_NOT_IMPLEMENTED
        case 132: return ESPIPE;        // ERROR_SEEK_ON_DEVICE
        case 145: return ENOTEMPTY;     // ERROR_DIR_NOT_EMPTY
        case 170: return EBUSY;         // ERROR_BUSY
        case 193: return ENOEXEC;       // ERROR_BAD_EXE_FORMAT
        case 206: return ENAMETOOLONG;  // ERROR_FILENAME_EXCED_RANGE
        case 223: return EFBIG;         // ERROR_FILE_TOO_LARGE
        case 267: return ENOTDIR;       // ERROR_DIRECTORY
        case 336: return EISDIR;        // ERROR_DIRECTORY_NOT_SUPPORTED
        case 998: return EFAULT;        // ERROR_NOACCESS
        case 1142: return EMLINK;       // ERROR_TOO_MANY_LINKS
        case 1314:
            return EPERM;  // ERROR_PRIVILEGE_NOT_HELD

        // Pipes
        case 109:                // ERROR_BROKEN_PIPE
        case 232:                // ERROR_NO_DATA: the pipe is being closed
        case 233: return EPIPE;  // ERROR_PIPE_NOT_CONNECTED
        case 231:
            return EBUSY;  // ERROR_PIPE_BUSY

        // Operations that have not ended, or were ended
        case 676:                      // ERROR_HANDLES_CLOSED: what Wine says of a socket that was closed
        case 995:                      // ERROR_OPERATION_ABORTED
        case 1223: return ECANCELED;   // ERROR_CANCELLED
        case 996:                      // ERROR_IO_INCOMPLETE
        case 997: return EINPROGRESS;  // ERROR_IO_PENDING
        case 258:                      // WAIT_TIMEOUT
        case 1460:
            return ETIMEDOUT;  // ERROR_TIMEOUT

        // What overlapped operations on sockets end with, in place of the codes below
        case 59:
            return ECONNABORTED;       // ERROR_UNEXP_NET_ERR: Wine, of a connection that ended before it was
                                       // accepted
        case 64: return ECONNRESET;    // ERROR_NETNAME_DELETED
        case 121: return ETIMEDOUT;    // ERROR_SEM_TIMEOUT
        case 234: return EMSGSIZE;     // ERROR_MORE_DATA: a datagram was cut off
        case 52:                       // ERROR_DUP_NAME
        case 1227: return EADDRINUSE;  // ERROR_ADDRESS_ALREADY_ASSOCIATED
        case 1225: return ECONNREFUSED;   // ERROR_CONNECTION_REFUSED
        case 1229: return ENOTCONN;       // ERROR_CONNECTION_INVALID
        case 1226: return EPIPE;          // ERROR_GRACEFUL_DISCONNECT
        case 1228: return EADDRNOTAVAIL;  // ERROR_ADDRESS_NOT_ASSOCIATED
        case 1231: return ENETUNREACH;    // ERROR_NETWORK_UNREACHABLE
        case 1232: return EHOSTUNREACH;   // ERROR_HOST_UNREACHABLE
        case 1233: return EHOSTUNREACH;   // ERROR_PROTOCOL_UNREACHABLE
        case 1234: return ECONNREFUSED;   // ERROR_PORT_UNREACHABLE
        case 1236:
            return ECONNABORTED;  // ERROR_CONNECTION_ABORTED

        // Windows Sockets
        case 10004: return EINTR;            // WSAEINTR
        case 10009: return EBADF;            // WSAEBADF
        case 10013: return EACCES;           // WSAEACCES
        case 10014: return EFAULT;           // WSAEFAULT
        case 10022: return EINVAL;           // WSAEINVAL
        case 10024: return EMFILE;           // WSAEMFILE
        case 10035: return EAGAIN;           // WSAEWOULDBLOCK
        case 10036: return EINPROGRESS;      // WSAEINPROGRESS
        case 10037: return EALREADY;         // WSAEALREADY
        case 10038: return ENOTSOCK;         // WSAENOTSOCK
        case 10039: return EDESTADDRREQ;     // WSAEDESTADDRREQ
        case 10040: return EMSGSIZE;         // WSAEMSGSIZE
        case 10041: return EPROTOTYPE;       // WSAEPROTOTYPE
        case 10042: return ENOPROTOOPT;      // WSAENOPROTOOPT
        case 10043: return EPROTONOSUPPORT;  // WSAEPROTONOSUPPORT
        case 10044: return EPROTONOSUPPORT;  // WSAESOCKTNOSUPPORT
        case 10045: return EOPNOTSUPP;       // WSAEOPNOTSUPP
        case 10046: return EAFNOSUPPORT;     // WSAEPFNOSUPPORT
        case 10047: return EAFNOSUPPORT;     // WSAEAFNOSUPPORT
        case 10048: return EADDRINUSE;       // WSAEADDRINUSE
        case 10049: return EADDRNOTAVAIL;    // WSAEADDRNOTAVAIL
        case 10050: return ENETDOWN;         // WSAENETDOWN
        case 10051: return ENETUNREACH;      // WSAENETUNREACH
        case 10052: return ENETRESET;        // WSAENETRESET
        case 10053: return ECONNABORTED;     // WSAECONNABORTED
        case 10054: return ECONNRESET;       // WSAECONNRESET
        case 10055: return ENOBUFS;          // WSAENOBUFS
        case 10056: return EISCONN;          // WSAEISCONN
        case 10057: return ENOTCONN;         // WSAENOTCONN
        case 10058: return EPIPE;            // WSAESHUTDOWN
        case 10060: return ETIMEDOUT;        // WSAETIMEDOUT
        case 10061: return ECONNREFUSED;     // WSAECONNREFUSED
        case 10062: return ELOOP;            // WSAELOOP
        case 10063: return ENAMETOOLONG;     // WSAENAMETOOLONG
        case 10064: return EHOSTUNREACH;     // WSAEHOSTDOWN
        case 10065: return EHOSTUNREACH;     // WSAEHOSTUNREACH
        case 10066: return ENOTEMPTY;        // WSAENOTEMPTY
        case 10067: return EBUSY;            // WSAEPROCLIM
        case 10101: return EPIPE;            // WSAEDISCON
        case 10103:                          // WSAECANCELLED
        case 10111: return ECANCELED;        // WSA_E_CANCELLED
        default: return 0;
    }
}

}  // namespace bight::detail
