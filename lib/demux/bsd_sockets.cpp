#include "system_sockets.hpp"

#include "descriptor_calls.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace bight::detail::system_sockets {

namespace {

int integer_option(int fd, int level, int which) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, which, &value, &size) < 0 ? -errno : value;
}

constexpr int no_such_option = -1;

#if defined(__APPLE__)
constexpr int keep_alive_idle = TCP_KEEPALIVE;
constexpr int tcp_state_option = TCP_CONNECTION_INFO;
using tcp_state_info = tcp_connection_info;
#else
constexpr int keep_alive_idle = TCP_KEEPIDLE;
constexpr int tcp_state_option = TCP_INFO;
using tcp_state_info = tcp_info;
#endif
constexpr int tcp_closed = 0;  // TCPS_CLOSED

}  // namespace

int open(int family, int type) noexcept {
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
#else
    const int fd = ::socket(family, type, 0);
    if (fd < 0) return -errno;
    const int error = make_ours(fd);
    if (error < 0) ::close(fd);
    return error < 0 ? error : fd;
#endif
}

int family(int fd) noexcept {
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    return ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0 ? -errno : a.ss_family;
}

// macOS does not tell: whether it listens turns out when it accepts.
int listens(int fd) noexcept {
    const int answer = integer_option(fd, SOL_SOCKET, SO_ACCEPTCONN);
    return answer == -ENOPROTOOPT ? 1 : answer > 0 ? 1 : answer;
}

option_place place_of(int fd, socket_calls::number which) noexcept {
    using number = socket_calls::number;
    switch (which) {
        case number::no_delay: return {IPPROTO_TCP, TCP_NODELAY};
        case number::keep_alive: return {SOL_SOCKET, SO_KEEPALIVE};
        case number::keep_alive_idle: return {IPPROTO_TCP, keep_alive_idle};
        case number::keep_alive_interval: return {IPPROTO_TCP, TCP_KEEPINTVL};
        case number::keep_alive_count: return {IPPROTO_TCP, TCP_KEEPCNT};
        case number::user_timeout: return {IPPROTO_TCP, no_such_option};
        case number::send_buffer: return {SOL_SOCKET, SO_SNDBUF};
        case number::receive_buffer: return {SOL_SOCKET, SO_RCVBUF};
        case number::dscp:
            return family(fd) == AF_INET6 ? option_place{IPPROTO_IPV6, IPV6_TCLASS}
                                          : option_place{IPPROTO_IP, IP_TOS};
        case number::reset_on_close: break;
    }
    return {SOL_SOCKET, SO_LINGER};
}

#if defined(IP_BOUND_IF) && defined(IPV6_BOUND_IF)

namespace {

option_place device_place(int fd) noexcept {
    return family(fd) == AF_INET6 ? option_place{IPPROTO_IPV6, IPV6_BOUND_IF}
                                  : option_place{IPPROTO_IP, IP_BOUND_IF};
}

}  // namespace

int leave_port_to_connect(int, bool) noexcept { return -ENOPROTOOPT; }

int set_device(int fd, std::string_view name) noexcept {
    char terminated[IFNAMSIZ] = {};
    if (name.size() >= sizeof terminated) return -ENODEV;
    std::copy(name.begin(), name.end(), terminated);
    const unsigned index = name.empty() ? 0 : ::if_nametoindex(terminated);
    if (index == 0 && !name.empty()) return -ENODEV;
    const option_place at = device_place(fd);
    return ::setsockopt(fd, at.level, at.name, &index, sizeof index) < 0 ? -errno : 0;
}

interface_name device(int fd) noexcept {
    const option_place at = device_place(fd);
    const int index = integer_option(fd, at.level, at.name);
    char name[IFNAMSIZ] = {};
    if (index <= 0 || !::if_indextoname(static_cast<unsigned>(index), name)) return {};
    return interface_name(std::string_view(name));
}

#else

int set_device(int, std::string_view) noexcept { return -ENOPROTOOPT; }
interface_name device(int) noexcept { return {}; }

#endif

int credentials(int fd, told_credentials& peer) {
    uid_t user = 0;
    gid_t group = 0;
    if (::getpeereid(fd, &user, &group) < 0) return -errno;
    peer.user = user;
    peer.group = group;
#if defined(LOCAL_PEERPID)
    pid_t process = 0;
    socklen_t size = sizeof process;
    if (::getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &process, &size) == 0 && process > 0) {
        peer.process = process;
    }
#endif
    return 0;
}

int input_ended(int fd) noexcept {
    tcp_state_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, tcp_state_option, &info, &size) == 0 && info.tcpi_state != tcp_closed) {
        return 1;
    }
    // Of a connection that is over there is only the error to ask for, which is told once.
    const int error = integer_option(fd, SOL_SOCKET, SO_ERROR);
    return error > 0 ? -error : 0;
}

// poll(2) knows no event for the end of the peer, so it is seen once all before it has been read.
socket_calls::peer_state state_of_peer(int fd) noexcept {
    using state = socket_calls::peer_state;
    pollfd p{fd, POLLIN, 0};
    if (::poll(&p, 1, 0) <= 0) return state::there;
    if ((p.revents & (POLLERR | POLLNVAL)) != 0) return state::has_failed;
    char byte = 0;
    const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN ? state::there : state::has_failed;
    if (got > 0) return (p.revents & POLLHUP) != 0 ? state::ended : state::there;
    return (p.revents & POLLOUT) != 0 || (p.revents & POLLHUP) == 0 ? state::ended : state::hung_up;
}

// The socket is closed next, which sends the reset.
void reset(int fd) noexcept {
    const linger at_once{1, 0};
    (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::size_t unsent(int fd) noexcept {
#if defined(SO_NWRITE)
    const int bytes = integer_option(fd, SOL_SOCKET, SO_NWRITE);
#else
    int bytes = 0;
    if (::ioctl(fd, FIONWRITE, &bytes) < 0) bytes = 0;
#endif
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::size_t room(int fd) noexcept {
    const int all = integer_option(fd, SOL_SOCKET, SO_SNDBUF);
    if (all < 0) return std::size_t(-1);
    const std::size_t held = unsent(fd);
    return held < static_cast<std::size_t>(all) ? static_cast<std::size_t>(all) - held : 0;
}

bool peer_has_died(int fd) noexcept {
#if defined(LOCAL_PEERPID)
    pid_t peer = 0;
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &peer, &size) < 0) return false;
    return peer > 0 && ::kill(peer, 0) < 0 && errno == ESRCH;
#else
    (void)fd;
    return false;
#endif
}

}  // namespace bight::detail::system_sockets
