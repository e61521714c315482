// socket_options: what can be set of a socket, before and after it is connected.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>

namespace BIGHT_EXPORT bight {

/// The name of a network interface ("eth0"), or none.
class interface_name {
  public:
    constexpr interface_name() noexcept = default;
    /// Throws std::system_error (EINVAL) for more than 15 bytes, or a NUL byte or '/' among them.
    interface_name(std::string_view name);
    interface_name(const char* name) : interface_name(std::string_view(name)) {}

    std::string_view text() const noexcept { return {text_, size_}; }
    explicit operator bool() const noexcept { return size_ > 0; }
    bool operator==(const interface_name& other) const noexcept { return text() == other.text(); }

  private:
    char text_[15] = {};
    unsigned char size_ = 0;
};

/// Options of a stream socket: for a stream (stream::set_options), for `connect` (connect_options), and for
/// `listen` (listen_options), whose connections inherit them. What has no value is left as it is.
///
/// A value out of its range, and one that the kernel refuses, is a std::system_error that names the option,
/// the value and the socket; options that were set before that stay set. Unix sockets have only the buffers
/// and reset_on_close; any other is refused there with EOPNOTSUPP. Streams in memory have none, and take all
/// without effect. On a simulated host keep-alive, the user time-out, the buffers and reset_on_close act as
/// on a real one, and the others are only kept. See tcp(7), socket(7), ip(7), ipv6(7).
struct socket_options {
    /// TCP_NODELAY; on for every stream of bight's unless it is set here.
    std::optional<bool> no_delay;

    /// SO_KEEPALIVE: probes a silent peer, so that one whose machine is gone is noticed (ETIMEDOUT). Setting
    /// one of the next three turns it on as well.
    std::optional<bool> keep_alive;
    /// TCP_KEEPIDLE: how long the peer is silent before the first probe; 1 s to 32,767 s, rounded up to
    /// seconds.
    std::optional<duration> keep_alive_idle;
    /// TCP_KEEPINTVL: the time between two probes; the same range.
    std::optional<duration> keep_alive_interval;
    /// TCP_KEEPCNT: after so many probes without an answer the connection ends; 1 to 127.
    std::optional<int> keep_alive_count;

    /// TCP_USER_TIMEOUT (RFC 5482): how long what was sent may remain unacknowledged before the connection
    /// ends with ETIMEDOUT; up to 2^31 - 1 ms, rounded up to milliseconds; 0: the system's default, of many
    /// minutes. With keep-alive it decides in place of keep_alive_count.
    std::optional<duration> user_timeout;

    /// SO_SNDBUF and SO_RCVBUF, in bytes: at least 1. Linux doubles what is asked for, and reads that back;
    /// up to net.core.wmem_max and rmem_max. To widen a TCP window beyond 64 KiB, set receive_buffer for
    /// connect or listen.
    std::optional<int> send_buffer;
    std::optional<int> receive_buffer;

    /// SO_LINGER with the time 0: when the process dies without closing the stream, the peer gets a reset,
    /// and can tell that from an end. A stream that is closed gracefully ends as without it. Not for
    /// `listen`: set it for each connection. (SO_LINGER with a longer time is not offered: close(2) would
    /// hold up the reactor. How long closing may take is stream::set_close_deadline.)
    std::optional<bool> reset_on_close;

    /// The differentiated services code point, 0 to 63, in the IP headers (RFC 2474): IP_TOS, IPV6_TCLASS.
    std::optional<int> dscp;

    /// SO_BINDTODEVICE: only packets of this interface. Linux permits it to everybody as long as the socket
    /// is bound to none (5.7), then with CAP_NET_RAW only.
    interface_name device;

    bool operator==(const socket_options&) const noexcept = default;
};
static_assert(std::is_trivially_destructible_v<socket_options>);  // see reactor_options

}  // namespace bight
