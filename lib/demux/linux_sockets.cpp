#include "system_sockets.hpp"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace bight::detail::system_sockets {

namespace {

// SO_PEERGROUPS is there since Linux 4.13, SO_PEERPIDFD since 6.5, and headers may be older than the kernel:
// so the numbers are given here, for the architectures that have no others.
#if defined(__sparc__) || defined(__hppa__)
constexpr int peer_groups = -1;
constexpr int peer_pidfd = -1;
#else
constexpr int peer_groups = 59;
constexpr int peer_pidfd = 77;
#endif

int integer_option(int fd, int which) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, which, &value, &size) < 0 ? -errno : value;
}

}  // namespace

int open(int family, int type) noexcept {
    const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

int family(int fd) noexcept { return integer_option(fd, SO_DOMAIN); }
int listens(int fd) noexcept { return integer_option(fd, SO_ACCEPTCONN); }

option_place place_of(int fd, socket_calls::number which) noexcept {
    using number = socket_calls::number;
    switch (which) {
        case number::no_delay: return {IPPROTO_TCP, TCP_NODELAY};
        case number::keep_alive: return {SOL_SOCKET, SO_KEEPALIVE};
        case number::keep_alive_idle: return {IPPROTO_TCP, TCP_KEEPIDLE};
        case number::keep_alive_interval: return {IPPROTO_TCP, TCP_KEEPINTVL};
        case number::keep_alive_count: return {IPPROTO_TCP, TCP_KEEPCNT};
        case number::user_timeout: return {IPPROTO_TCP, TCP_USER_TIMEOUT};
        case number::send_buffer: return {SOL_SOCKET, SO_SNDBUF};
        case number::receive_buffer: return {SOL_SOCKET, SO_RCVBUF};
        case number::dscp:
            return family(fd) == AF_INET6 ? option_place{IPPROTO_IPV6, IPV6_TCLASS}
                                          : option_place{IPPROTO_IP, IP_TOS};
        case number::reset_on_close: break;
    }
    return {SOL_SOCKET, SO_LINGER};
}

// ip(7), since Linux 4.2.
int leave_port_to_connect(int fd, bool on) noexcept {
    const int value = on;
    return ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &value, sizeof value) < 0 ? -errno : 0;
}

int set_device(int fd, std::string_view name) noexcept {
    const auto size = static_cast<socklen_t>(name.size());
    return ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.data(), size) < 0 ? -errno : 0;
}

interface_name device(int fd) noexcept {
    char name[IFNAMSIZ] = {};
    socklen_t size = sizeof name;
    if (::getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) < 0) return {};
    return interface_name(std::string_view(name, ::strnlen(name, sizeof name - 1)));
}

// SO_PEERGROUPS says how much room it needs when it has too little (ERANGE).
int credentials(int fd, told_credentials& peer) {
    ucred of{};
    socklen_t size = sizeof of;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &of, &size) < 0) return -errno;
    if (of.pid > 0) peer.process = of.pid;  // 0: of another namespace, or not connected yet
    peer.user = of.uid;
    peer.group = of.gid;
    constexpr socklen_t one = sizeof(gid_t);
    static_assert(one == sizeof(std::uint32_t));
    peer.groups.resize(32);
    for (;;) {
        size = static_cast<socklen_t>(peer.groups.size()) * one;
        const int error =
            ::getsockopt(fd, SOL_SOCKET, peer_groups, peer.groups.data(), &size) < 0 ? errno : 0;
        if (error == ERANGE && size / one > peer.groups.size()) {
            peer.groups.resize(size / one);
            continue;
        }
        peer.groups.resize(error == 0 ? size / one : 0);
        break;
    }
    const int process = integer_option(fd, peer_pidfd);  // close-on-exec
    peer.pidfd = process >= 0 ? process : -1;
    return 0;
}

int input_ended(int fd) noexcept {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
        pollfd unix_socket{fd, 0, 0};  // POLLHUP: the peer has closed both directions, perhaps by a reset
        return ::poll(&unix_socket, 1, 0) >= 0 && (unix_socket.revents & POLLHUP) == 0 ? 1 : 0;
    }
    if (info.tcpi_state != TCP_CLOSE) return 1;
    // EPIPE: a reset after the end of the stream (tcp_reset in Linux) that nobody has been told of.
    const int error = integer_option(fd, SO_ERROR);
    return error == EPIPE ? 1 : error > 0 ? -error : 0;
}

// SO_ERROR would tell the error, and nobody after that.
socket_calls::peer_state state_of_peer(int fd) noexcept {
    using state = socket_calls::peer_state;
    pollfd p{fd, POLLRDHUP, 0};
    if (::poll(&p, 1, 0) == 0) return state::there;
    if ((p.revents & (POLLERR | POLLNVAL)) != 0) return state::has_failed;
    return (p.revents & POLLHUP) != 0 ? state::hung_up : state::ended;
}

void reset(int fd) noexcept {
    const sockaddr nowhere{AF_UNSPEC, {}};
    (void)::connect(fd, &nowhere, sizeof nowhere);
}

std::size_t unsent(int fd) noexcept {
    int bytes = 0;
    return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

// Of what the send buffer holds a part is the kernel's own, so not all that is free is for bytes.
std::size_t room(int fd) noexcept {
    std::uint32_t memory[SK_MEMINFO_VARS] = {};
    socklen_t size = sizeof memory;
    if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0) return std::size_t(-1);
    const std::size_t held = std::max(memory[SK_MEMINFO_WMEM_QUEUED], memory[SK_MEMINFO_WMEM_ALLOC]);
    const std::size_t all = memory[SK_MEMINFO_SNDBUF];
    return held < all ? (all - held) / 4 * 3 : 0;
}

bool peer_has_died(int fd) noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
    return peer.pid > 0 && ::kill(peer.pid, 0) < 0 && errno == ESRCH;
}

}  // namespace bight::detail::system_sockets
