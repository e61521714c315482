// Compiled without the headers beside it: here the names are Windows' own, and posix.hpp's are in
// test::posix.
#include <winsock2.h>
// After winsock2.h.
#include <ws2tcpip.h>
// After these.
#include <fcntl.h>
#include <io.h>
#include <iphlpapi.h>
#include <windows.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace {

constexpr int cloexec = 0x80000;     // SOCK_CLOEXEC
constexpr int nonblocking = 0x800;   // SOCK_NONBLOCK
constexpr int dontwait = 0x4000000;  // MSG_DONTWAIT

struct winsock {
    winsock() {
        WSADATA ignored;
        ::WSAStartup(MAKEWORD(2, 2), &ignored);
    }
};

SOCKET native(int fd) {
    static const winsock started;
    return fd < 0 ? INVALID_SOCKET : static_cast<SOCKET>(fd);
}

int number_of(SOCKET s) { return s == INVALID_SOCKET ? -1 : static_cast<int>(s); }

int errno_of(int code) {
    switch (code) {
        case WSAEINTR: return EINTR;
        case WSAEBADF:
        case ERROR_INVALID_HANDLE: return EBADF;
        case WSAEACCES: return EACCES;
        case WSAEFAULT: return EFAULT;
        case WSAEINVAL: return EINVAL;
        case WSAEMFILE: return EMFILE;
        case WSAEWOULDBLOCK: return EAGAIN;
        case WSAETIMEDOUT: return EAGAIN;  // of recv and send with a time-out
        case WSAEINPROGRESS: return EINPROGRESS;
        case WSAEALREADY: return EALREADY;
        case WSAENOTSOCK: return ENOTSOCK;
        case WSAEDESTADDRREQ: return EDESTADDRREQ;
        case WSAEMSGSIZE: return EMSGSIZE;
        case WSAEPROTOTYPE: return EPROTOTYPE;
        case WSAENOPROTOOPT: return ENOPROTOOPT;
        case WSAEPROTONOSUPPORT: return EPROTONOSUPPORT;
        case WSAEOPNOTSUPP: return EOPNOTSUPP;
        case WSAEAFNOSUPPORT: return EAFNOSUPPORT;
        case WSAEADDRINUSE: return EADDRINUSE;
        case WSAEADDRNOTAVAIL: return EADDRNOTAVAIL;
        case WSAENETDOWN: return ENETDOWN;
        case WSAENETUNREACH: return ENETUNREACH;
        case WSAENETRESET: return ENETRESET;
        case WSAECONNABORTED: return ECONNABORTED;
        case WSAECONNRESET: return ECONNRESET;
        case WSAENOBUFS: return ENOBUFS;
        case WSAEISCONN: return EISCONN;
        case WSAENOTCONN: return ENOTCONN;
        case WSAESHUTDOWN: return EPIPE;
        case WSAECONNREFUSED: return ECONNREFUSED;
        case WSAEHOSTUNREACH: return EHOSTUNREACH;
        default: return EIO;
    }
}

int failed() {
    errno = errno_of(::WSAGetLastError());
    return -1;
}

bool is_socket(int fd) {
    int type = 0;
    int size = sizeof type;
    return fd >= 0 &&
           ::getsockopt(native(fd), SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0;
}

// Windows does not say which sockets do not block.
// The modes of the sockets that were made here, by their handles, which are multiples of four. Without memory
// to allocate, for tests in which there is none.
enum class mode : unsigned char { unknown, blocks, does_not_block };
std::atomic<mode>& mode_of(int fd) {
    static std::atomic<mode> all[1U << 14];
    return all[(static_cast<unsigned>(fd) >> 2) % (1U << 14)];
}

int set_nonblocking(int fd, bool on) {
    u_long value = on ? 1 : 0;
    if (::ioctlsocket(native(fd), static_cast<long>(FIONBIO), &value) != 0) return failed();
    mode_of(fd) = on ? mode::does_not_block : mode::blocks;
    return 0;
}

int with_flags(SOCKET s, int flags) {
    if (s == INVALID_SOCKET) return failed();
    const int fd = number_of(s);
    if (flags & cloexec) ::SetHandleInformation(reinterpret_cast<HANDLE>(s), HANDLE_FLAG_INHERIT, 0);
    set_nonblocking(fd, (flags & nonblocking) != 0);
    return fd;
}

// Keeps the calls on a socket of the test's from waiting; bight's do not.
class no_waiting {
  public:
    explicit no_waiting(int fd) : fd_(fd), blocks_(mode_of(fd) == mode::blocks) { set(1); }
    no_waiting(const no_waiting&) = delete;
    no_waiting& operator=(const no_waiting&) = delete;
    ~no_waiting() {
        const int error = ::WSAGetLastError();
        set(0);
        ::WSASetLastError(error);
    }

  private:
    void set(u_long on) const {
        if (blocks_) ::ioctlsocket(native(fd_), static_cast<long>(FIONBIO), &on);
    }

    int fd_;
    bool blocks_;
};

// What fits into an int: the rest is for another call.
int part(std::size_t size) { return size > (1U << 30) ? 1 << 30 : static_cast<int>(size); }

}  // namespace

namespace test::posix {

struct pollfd {
    int fd;
    short events;
    short revents;
};

int socket(int domain, int type, int protocol) {
    native(-1);
    return with_flags(::socket(domain, type & 0xff, protocol), type);
}

int listen(int fd, int backlog) { return ::listen(native(fd), backlog) == 0 ? 0 : failed(); }

int accept4(int fd, sockaddr* from, int* size, int flags) {
    return with_flags(::accept(native(fd), from, size), flags);
}
int accept(int fd, sockaddr* from, int* size) { return accept4(fd, from, size, 0); }

int connect(int fd, const sockaddr* to, int size) {
    if (::connect(native(fd), to, size) == 0) return 0;
    if (::WSAGetLastError() == WSAEWOULDBLOCK) {
        errno = EINPROGRESS;
        return -1;
    }
    if (::WSAGetLastError() == WSAETIMEDOUT) {
        errno = ETIMEDOUT;
        return -1;
    }
    return failed();
}

int bind(int fd, const sockaddr* at, int size) { return ::bind(native(fd), at, size) == 0 ? 0 : failed(); }

int close(int fd) {
    if (!is_socket(fd)) return ::_close(fd);
    mode_of(fd) = mode::unknown;
    return ::closesocket(native(fd)) == 0 ? 0 : failed();
}

int socketpair(int, int type, int, int* ends) {
    const bool stream = (type & 0xff) == SOCK_STREAM;
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    int size = sizeof at;
    auto* const where = reinterpret_cast<sockaddr*>(&at);
    const int first = socket(AF_INET, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (first < 0) return -1;
    const int second = socket(AF_INET, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (second < 0 || bind(first, where, size) != 0 || ::getsockname(native(first), where, &size) != 0) {
        return failed();
    }
    if (stream) {
        if (listen(first, 1) != 0 || connect(second, where, size) != 0) return -1;
        const int accepted = accept4(first, nullptr, nullptr, type);
        if (accepted < 0) return -1;
        close(first);
        ends[0] = accepted;
        // A pair holds little, as those of Unix do.
        const int now = 1;
        const int little = 65536;
        for (const int fd : {accepted, second}) {
            ::setsockopt(native(fd), IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&now),
                         sizeof now);
            ::setsockopt(native(fd), SOL_SOCKET, SO_SNDBUF, reinterpret_cast<const char*>(&little),
                         sizeof little);
            ::setsockopt(native(fd), SOL_SOCKET, SO_RCVBUF, reinterpret_cast<const char*>(&little),
                         sizeof little);
        }
    } else {
        if (connect(second, where, size) != 0 || ::getsockname(native(second), where, &size) != 0 ||
            connect(first, where, size) != 0) {
            return failed();
        }
        ends[0] = first;
    }
    ends[1] = second;
    return set_nonblocking(ends[0], (type & nonblocking) != 0) |
           set_nonblocking(second, (type & nonblocking) != 0);
}

ssize_t sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, int to_size) {
    std::optional<no_waiting> here;
    if (flags & dontwait) here.emplace(fd);
    const int sent =
        ::sendto(native(fd), static_cast<const char*>(from), part(size), flags & ~dontwait, to, to_size);
    return sent >= 0 ? sent : failed();
}
ssize_t send(int fd, const void* from, std::size_t size, int flags) {
    return sendto(fd, from, size, flags, nullptr, 0);
}

ssize_t recvfrom(int fd, void* to, std::size_t size, int flags, sockaddr* from, int* from_size) {
    std::optional<no_waiting> here;
    if (flags & dontwait) here.emplace(fd);
    // Wine's MSG_WAITALL gives what is there.
    const bool all = (flags & MSG_WAITALL) != 0;
    int done = 0;
    do {
        const int got = ::recvfrom(native(fd), static_cast<char*>(to) + done, part(size) - done,
                                   flags & ~(dontwait | MSG_WAITALL), from, from_size);
        if (got < 0) return done > 0 ? done : failed();
        if (got == 0) break;
        done += got;
    } while (all && done < part(size));
    return done;
}
ssize_t recv(int fd, void* to, std::size_t size, int flags) {
    return recvfrom(fd, to, size, flags, nullptr, nullptr);
}

int shutdown(int fd, int how) { return ::shutdown(native(fd), how) == 0 ? 0 : failed(); }

int getsockname(int fd, sockaddr* to, int* size) {
    return ::getsockname(native(fd), to, size) == 0 ? 0 : failed();
}
int getpeername(int fd, sockaddr* to, int* size) {
    return ::getpeername(native(fd), to, size) == 0 ? 0 : failed();
}

int setsockopt(int fd, int level, int name, const void* value, int size) {
    DWORD milliseconds = 0;
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO) && size == sizeof(timeval)) {
        const auto* const limit = static_cast<const timeval*>(value);
        milliseconds = static_cast<DWORD>(limit->tv_sec * 1000 + limit->tv_usec / 1000);
        value = &milliseconds;
        size = sizeof milliseconds;
    }
    return ::setsockopt(native(fd), level, name, static_cast<const char*>(value), size) == 0 ? 0 : failed();
}

int getsockopt(int fd, int level, int name, void* value, int* size) {
    if (::getsockopt(native(fd), level, name, static_cast<char*>(value), size) != 0) return failed();
    if (level == SOL_SOCKET && name == SO_ERROR) {
        int& error = *static_cast<int*>(value);
        if (error != 0) error = errno_of(error);
    }
    return 0;
}

int poll(pollfd* all, unsigned long count, int milliseconds) {
    std::vector<WSAPOLLFD> asked;
    // WSAPoll refuses events that POSIX's poll ignores.
    for (unsigned long i = 0; i < count; ++i) {
        const auto events = static_cast<short>(all[i].events & (POLLRDNORM | POLLRDBAND | POLLWRNORM));
        asked.push_back({native(all[i].fd), events, 0});
    }
    const int found = ::WSAPoll(asked.data(), count, milliseconds);
    if (found < 0) return failed();
    for (unsigned long i = 0; i < count; ++i) all[i].revents = asked[i].revents;
    return found;
}

ssize_t read(int fd, void* to, std::size_t size) {
    if (is_socket(fd)) return recv(fd, to, size, 0);
    return ::_read(fd, to, static_cast<unsigned>(part(size)));
}

ssize_t write(int fd, const void* from, std::size_t size) {
    if (is_socket(fd)) return send(fd, from, size, 0);
    return ::_write(fd, from, static_cast<unsigned>(part(size)));
}

int dup(int fd) {
    if (!is_socket(fd)) return ::_dup(fd);
    WSAPROTOCOL_INFOW description;
    if (::WSADuplicateSocketW(native(fd), ::GetCurrentProcessId(), &description) != 0) return failed();
    const SOCKET s = ::WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &description, 0,
                                  WSA_FLAG_OVERLAPPED);
    if (s == INVALID_SOCKET) return failed();
    mode_of(number_of(s)) = mode_of(fd).load();
    return number_of(s);
}

int fcntl(int fd, int command, int argument) {
    DWORD flags = 0;
    const bool known = command <= 2
                           ? ::GetHandleInformation(reinterpret_cast<HANDLE>(native(fd)), &flags) != 0
                           : is_socket(fd);
    if (!known) {
        errno = EBADF;
        return -1;
    }
    switch (command) {
        case 1: return (flags & HANDLE_FLAG_INHERIT) ? 0 : 1;  // F_GETFD
        case 2:                                                // F_SETFD
            ::SetHandleInformation(reinterpret_cast<HANDLE>(native(fd)), HANDLE_FLAG_INHERIT,
                                   argument ? 0 : HANDLE_FLAG_INHERIT);
            return 0;
        case 3: return mode_of(fd) == mode::does_not_block ? 0x4000 : 0;  // F_GETFL
        case 4: return set_nonblocking(fd, (argument & 0x4000) != 0);     // F_SETFL
        default: errno = EINVAL; return -1;
    }
}

int ioctl(int fd, long request, int* value) {
    u_long answer = 0;
    if (::ioctlsocket(native(fd), request, &answer) != 0) return failed();
    *value = static_cast<int>(answer);
    return 0;
}

int pipe(int* ends) { return ::_pipe(ends, 65536, _O_BINARY | _O_NOINHERIT); }
int pipe2(int* ends, int) { return pipe(ends); }

int futimens(int handle, const timespec* times) {
    // Both count tenths of a microsecond since 1601.
    FILETIME all[2];
    for (int i = 0; i < 2; ++i) {
        const std::uint64_t ticks =
            (static_cast<std::uint64_t>(times[i].tv_sec) + 11'644'473'600) * 10'000'000 +
            static_cast<std::uint64_t>(times[i].tv_nsec) / 100;
        all[i] = {static_cast<DWORD>(ticks), static_cast<DWORD>(ticks >> 32)};
    }
    if (::SetFileTime(reinterpret_cast<HANDLE>(native(handle)), nullptr, &all[0], &all[1])) return 0;
    errno = EBADF;
    return -1;
}

struct if_nameindex {
    unsigned if_index;
    const char* if_name;
};

struct if_nameindex* if_nameindex() {
    static std::vector<std::string> names;
    static std::vector<struct if_nameindex> all;
    names.clear();
    all.clear();
    constexpr ULONG wanted = GAA_FLAG_SKIP_UNICAST | GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST;
    std::vector<IP_ADAPTER_ADDRESSES> answer(256);
    auto size = static_cast<ULONG>(answer.size() * sizeof answer.front());
    if (::GetAdaptersAddresses(AF_UNSPEC, wanted, nullptr, answer.data(), &size) != NO_ERROR) return nullptr;
    std::vector<unsigned> indices;
    for (const auto* one = answer.data(); one; one = one->Next) {
        char name[IF_MAX_STRING_SIZE + 1] = "";
        if (!::if_indextoname(one->IfIndex, name)) continue;
        indices.push_back(one->IfIndex);
        names.emplace_back(name);
    }
    for (std::size_t i = 0; i < indices.size(); ++i) all.push_back({indices[i], names[i].c_str()});
    all.push_back({0, nullptr});
    return all.data();
}
void if_freenameindex(struct if_nameindex*) {}

int setenv(const char* name, const char* value, int overwrite) {
    if (!overwrite && std::getenv(name)) return 0;
    return ::_putenv_s(name, value);
}
int unsetenv(const char* name) { return ::_putenv_s(name, ""); }

namespace {

// The kind of object, as the kernel calls it; empty when no such handle is open.
std::wstring type_of(ULONG_PTR handle) {
    using query = LONG(WINAPI*)(HANDLE, ULONG, PVOID, ULONG, PULONG);
    static const auto ask = reinterpret_cast<query>(
        reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleA("ntdll.dll"), "NtQueryObject")));
    struct {  // OBJECT_TYPE_INFORMATION, whose text lies behind it
        USHORT size;
        USHORT room;
        const wchar_t* text;
        ULONG_PTR rest[64];
    } answer{};
    constexpr ULONG type_information = 2;
    if (!ask ||
        ask(reinterpret_cast<HANDLE>(handle), type_information, &answer, sizeof answer, nullptr) < 0) {
        return {};
    }
    return {answer.text, answer.size / sizeof(wchar_t)};
}

}  // namespace

// Handle after handle: to be told all of them at once (SystemExtendedHandleInformation) ends the server of
// Wine 8 when another process begins.
int open_sockets() {
    constexpr ULONG_PTR step = 4;
    constexpr ULONG_PTR gap = 256 * step;  // of those that are free between two that are open
    static ULONG_PTR highest = 0;
    native(-1);
    // One of each type, to know what it is called.
    HANDLE const port = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
    const SOCKET any = ::WSASocketW(AF_INET, SOCK_STREAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED);
    const std::wstring port_type = type_of(reinterpret_cast<ULONG_PTR>(port));
    const std::wstring socket_type = type_of(any);
    highest = std::max({highest, reinterpret_cast<ULONG_PTR>(port), static_cast<ULONG_PTR>(any)});
    ::closesocket(any);
    ::CloseHandle(port);
    if (port_type.empty() || socket_type.empty()) return -1;
    int open = 0;
    for (ULONG_PTR handle = step; handle <= highest + gap; handle += step) {
        const std::wstring type = type_of(handle);
        if (type.empty()) continue;
        highest = std::max(highest, handle);
        if (type == port_type || type == socket_type) ++open;
    }
    return open;
}

char* mkdtemp(char* pattern) {
    const std::size_t end = std::strlen(pattern);
    static unsigned number = 0;
    for (int tries = 0; tries < 1000; ++tries) {
        const std::string unique =
            std::to_string((::GetCurrentProcessId() * 1000U + number++) % 1000000 + 1000000).substr(1);
        std::memcpy(pattern + end - 6, unique.data(), 6);
        if (::CreateDirectoryA(pattern, nullptr)) return pattern;
    }
    errno = EEXIST;
    return nullptr;
}

}  // namespace test::posix
