// endpoint: endpoint strings, which say where to listen or connect.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/io/socket_options.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#undef interface  // a macro, if <windows.h> has been included

namespace BIGHT_EXPORT bight {

/// The contents of an endpoint string. The kind comes first, then arguments, each after a ':'. An argument is
/// name=value, in any order, or just a value, in the order of the forms below. A '\' escapes the next
/// character: a ':' in a value is written `\:`, a '=' in a value without a name `\=`, a '\' `\\`. Forms:
///
///     tcp:8123                                     listen on every IPv4 address
///     tcp:8123:interface=127.0.0.1:backlog=50
///     tcp6:port=8123:interface=[::1]               IPv6
///     tcp:localhost:1234                           connect
///     tcp:[::1]:1234                               an IPv6 address, as address::to_string prints it
///     tcp:host=localhost:port=1234:timeout=5       with a time-out in seconds (fractions allowed)
///     tcp:8123:reuse_port=yes                      several listeners may share the port
///     tcp6:8123:dual_stack=yes                     IPv6, and IPv4 as well
///     tcp:host:1234:keep_alive=60:user_timeout=20  a peer that is silent for 60 s is probed
///     tcp:host:1234:interface=10.0.0.1:local_port=5000    connect from there
///     udp:5353                                     datagrams (datagram_socket): bind to every IPv4 address
///     udp:localhost:5353                           datagrams to this peer only
///     unix:/path:mode=660                          a Unix-domain socket, and its file's mode (octal)
///     unix:@name                                   the abstract namespace of Linux
///     fd:3                                         an open socket: listening, connected, or of datagrams
///     systemd:web                                  a socket that systemd has opened, by its name
///     systemd:index=0                              or by its place among them
///
/// One may also listen on `tcp:host:port` (the host is then the interface), and connect to `tcp:port` (on
/// localhost). tcp6 and udp6 restrict names and addresses to IPv6. unix is for streams and datagrams alike.
/// The descriptor of `fd` and `systemd` is duplicated, and the original stays open; that of `systemd` becomes
/// close-on-exec. Which descriptors systemd has passed (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS,
/// LISTEN_FDNAMES) is looked up when the endpoint is used; with both a name and an index, it is the index
/// among those of that name. The mode (O_NONBLOCK) of a connected socket is not changed; a listening socket
/// becomes non-blocking for all processes that share it until this listener closes, and other listeners then
/// set it again when they accept.
///
/// The names are, for tcp and tcp6: host, port, interface, backlog, timeout, reuse_port (yes or no),
/// local_port, and of socket_options keep_alive (the time until the first probe, in seconds),
/// keep_alive_interval, keep_alive_count, user_timeout (seconds), send_buffer, receive_buffer, dscp and
/// device; for udp and udp6 those of them that are not about connections: host, port, interface, timeout,
/// reuse_port, local_port, send_buffer, receive_buffer, dscp and device; for tcp6 and udp6 dual_stack (yes
/// or no); for unix: path, mode, backlog, timeout, send_buffer,
/// receive_buffer; for fd: descriptor; for systemd: name, index. Parsing looks up only the names of this
/// machine's interfaces.
struct endpoint {
    enum class kind_type : std::uint8_t { tcp, tcp6, udp, udp6, unix_domain, descriptor, inherited };

    kind_type kind = kind_type::tcp;
    std::string host;         ///< tcp, udp: what to connect to; empty when not given
    std::string interface;    ///< tcp, udp: the address to listen on, or to connect from; empty: any
    std::uint16_t port = 0;   ///< tcp, udp
    std::string path;         ///< unix: a file's path, or "@name"; `\@name` is the file, and here "./@name"
    int mode = -1;            ///< unix: permissions of the socket's file; -1: what the umask leaves
    int descriptor = -1;      ///< fd
    std::string name;         ///< systemd: FileDescriptorName=, or of its .socket unit; empty: any
    int index = 0;            ///< systemd: the place among all, or among those of the name
    int backlog = 0;          ///< listen: 0 means the system's maximum
    duration timeout{-1};     ///< connect: negative means the default of 30 s; at most duration::max()
    bool reuse_port = false;  ///< tcp, udp listen: SO_REUSEPORT
    std::uint16_t local_port = 0;  ///< tcp, udp connect: the port to connect from; 0: any
    bool dual_stack =
        false;  ///< tcp6, udp6 listen: IPv4 clients as well, as "::ffff:127.0.0.1" (IPV6_V6ONLY off)
    socket_options options;  ///< tcp, udp; unix: the buffers. Not all have a name in the string.

    /// Throws std::system_error with errc::bad_endpoint. The message shows the string, the position (in
    /// bytes, counted from 0) and what was expected there, as in "at position 6: expected a port (0 to
    /// 65535), found "81x23"".
    static endpoint parse(std::string_view text);
    /// The canonical string. Parsing it gives an equal endpoint, if this one came from parse().
    std::string to_string() const;

    /// Whether it is for datagrams over IP: udp, udp6.
    bool is_udp() const noexcept { return kind == kind_type::udp || kind == kind_type::udp6; }
    /// Whether it is a socket that is open already: fd, systemd.
    bool is_adopted() const noexcept { return kind == kind_type::descriptor || kind == kind_type::inherited; }
    /// tcp6, udp6.
    bool only_ipv6() const noexcept { return kind == kind_type::tcp6 || kind == kind_type::udp6; }

    /// Member by member.
    bool operator==(const endpoint& other) const noexcept = default;
};

}  // namespace bight
