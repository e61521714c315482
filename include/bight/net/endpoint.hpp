// endpoint: where to listen or connect, as a string.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {

/// What an endpoint string says. The kind comes first, then arguments, each after a ':'. An argument is
/// name=value, in any order, or just a value, in the order of the forms. A '\' makes the next character
/// ordinary: a ':' in a value is written `\:`, a '=' in a value without a name `\=`, a '\' `\\`. Forms:
///
///     tcp:8123                                     listen on every IPv4 address
///     tcp:8123:interface=127.0.0.1:backlog=50
///     tcp6:port=8123:interface=[::1]               IPv6
///     tcp:localhost:1234                           connect
///     tcp:[::1]:1234                               an IPv6 address, as address::to_string prints it
///     tcp:host=localhost:port=1234:timeout=5       with a time-out in seconds (fractions allowed)
///     tcp:8123:reuse_port=yes                      several listeners may share the port
///     unix:/path:mode=660                          a Unix-domain socket, and its file's mode (octal)
///     unix:@name                                   the abstract namespace of Linux
///     fd:3                                         an open stream socket: listening, or connected
///
/// `tcp:host:port` may be listened on as well (the host is the interface then), and a `tcp:port` connected to
/// (localhost). tcp6 restricts names and addresses to IPv6. What `fd` names is duplicated, and the original
/// stays open; of a connected socket the mode (O_NONBLOCK) stays as it is, too, while one that listens is
/// non-blocking for all who share it, until the listener that made it so closes; others then make it so once
/// more, when they accept.
///
/// The names are, for tcp and tcp6: host, port, interface, backlog, timeout, reuse_port (yes or no); for
/// unix: path, mode, backlog, timeout; for fd: descriptor. Parsing looks nothing up but the names of this
/// machine's interfaces.
struct endpoint {
    enum class kind_type : std::uint8_t { tcp, tcp6, unix_domain, descriptor };

    kind_type kind = kind_type::tcp;
    std::string host;         ///< tcp: what to connect to; empty when not given
    std::string interface;    ///< tcp: the address to listen on, or to connect from; empty: any
    std::uint16_t port = 0;   ///< tcp
    std::string path;         ///< unix: a file's path, or "@name"; `\@name` is the file, and here "./@name"
    int mode = -1;            ///< unix: permissions of the socket's file; -1: what the umask leaves
    int descriptor = -1;      ///< fd
    int backlog = 0;          ///< listen: 0 for the system's maximum
    duration timeout{-1};     ///< connect: negative for the default of 30 s; too long a one is the longest
    bool reuse_port = false;  ///< tcp listen: SO_REUSEPORT

    /// Throws std::system_error with errc::bad_endpoint. The message shows the string, the position (in
    /// bytes, counted from 0) and what was expected there, as in "at position 6: expected a port (0 to
    /// 65535), found "81x23"".
    static endpoint parse(std::string_view text);
    /// The canonical string. What came from parse() comes back equal when this is parsed.
    std::string to_string() const;

    /// Member by member.
    bool operator==(const endpoint& other) const noexcept = default;
};

}  // namespace bight
