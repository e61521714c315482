// datagram_socket: sends and receives datagrams, over UDP or Unix sockets.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/multicast_group.hpp>
#include <bight/io/outgoing_datagram.hpp>
#include <bight/io/received_datagram.hpp>
#include <bight/io/socket_options.hpp>
#include <bight/net/detail/datagram_socket.hpp>
#include <bight/net/endpoint.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

class resolver;

/// Options of datagram_socket::bind and datagram_socket::connect. Those that are only of UDP have no effect
/// on Unix sockets.
struct datagram_options {
    /// connect: the address to send from, with its port or 0; for a Unix socket the path at which its peer
    /// answers. An endpoint's interface= and local_port= take precedence. Not for bind.
    address local = {};
    /// The buffers, dscp and device; the others are about connections, and refused with EOPNOTSUPP. Those of
    /// an endpoint take precedence. What does not fit into a receive buffer is dropped by the kernel.
    socket_options socket = {};
    /// Whether each datagram comes with the address and the interface to which it was sent (IP_PKTINFO,
    /// IPV6_RECVPKTINFO). Receiving costs a little less without.
    bool tell_arrival = true;
    /// Whether each datagram comes with its traffic class, ECN included (IP_RECVTOS, IPV6_RECVTCLASS).
    bool tell_traffic_class = false;
    /// Whether each datagram of a Unix socket comes with the process, the user and the group that have sent
    /// it (SO_PASSCRED): on Linux and on a simulated host, where each is process 1 of user 0; elsewhere that
    /// is EOPNOTSUPP. Of those that were sent before, this is not told truly (process 0). Linux gives a
    /// socket without a name one of its own as it first sends. The times of datagrams (SO_TIMESTAMP), which
    /// an adopted socket may have been asked for, are switched off. No effect on UDP.
    bool tell_sender = false;
    /// Whether the kernel may hand over several datagrams of one sender as one: see
    /// received_datagram::segment_size. The memory of a receive should have 65,535 bytes then. No effect
    /// where there is no UDP_GRO (Linux 5.0).
    bool coalesce_received = false;
    /// Whether it may send to broadcast addresses; without it that is EACCES (SO_BROADCAST).
    bool broadcast = false;
    /// Whether others may bind to the same address if they ask for it, too: for groups, whose datagrams all
    /// of them get. Of other datagrams one of them gets each. (SO_REUSEADDR; on the BSDs and macOS
    /// SO_REUSEPORT.)
    bool share_address = false;
    /// connect: looks up the endpoint's name, and must outlive the connect; null: system_resolver(). No
    /// effect on bind.
    bight::resolver* resolver = nullptr;
};

/// A socket of datagrams: UDP (RFC 768), or Unix (unix(7)). Each send is one datagram, which arrives whole
/// or not at all; over UDP it may also arrive twice, or after one that was sent later. A datagram of no bytes
/// is a datagram.
///
/// Any number of tasks may send, and receive, at a time: their turns come in the order in which they asked
/// (but see send_to for Unix sockets), and each receive gets datagrams of its own. Nothing that the network
/// says ends the socket: it is usable until it is closed.
///
/// Move-only; destroying it closes it. Sockets are close-on-exec. Thread: its reactor's.
class datagram_socket {
  public:
    /// The most datagrams that receive_many and send_many take at a time.
    static constexpr std::size_t most_at_once = 64;

    datagram_socket() noexcept = default;
    explicit datagram_socket(detail::datagram_port& p) noexcept;
    datagram_socket(const datagram_socket&) = delete;  // it has one owner: std::move(s)
    datagram_socket(datagram_socket&& other) noexcept : port_(std::exchange(other.port_, nullptr)) {}
    datagram_socket& operator=(datagram_socket&& other) noexcept {
        if (this != &other) {
            close();
            port_ = std::exchange(other.port_, nullptr);
        }
        return *this;
    }
    ~datagram_socket() { close(); }

    /// A socket at `where`, which receives from everybody: "udp:5353", "udp:0" (a port that the system
    /// chooses), "udp:5353:interface=127.0.0.1", "udp6:[::1]:5353", "unix:/run/name". A Unix socket's file
    /// gets the mode of the endpoint, takes the place of one that a dead program left, and is removed with
    /// the socket. On the reactor that runs on this thread, which it may block for a quarter of a second, as
    /// `listen` does, when the address is in use.
    ///
    /// "fd:3" and "systemd:name" adopt a socket that is open: a duplicate of it, with the peer that it has.
    /// Of streams or packets (SOCK_SEQPACKET) that is EPROTOTYPE.
    ///
    /// Throws std::system_error with the errno (EADDRINUSE, EACCES, …) and the address; errc::bad_endpoint
    /// for a string that cannot be parsed, and for an endpoint of streams.
    static datagram_socket bind(const endpoint& where, const datagram_options& options = {});
    static datagram_socket bind(std::string_view where, const datagram_options& options = {});

    /// A socket with one peer, "udp:example.org:53" or "unix:/run/name": it sends there, and receives from
    /// nobody else (connect(2)): what came to datagram_options::local before that is discarded, of a Unix
    /// peer, too. Nothing is sent, so that it cannot tell whether anybody is there. A name's
    /// addresses are tried in turn until the system has a way to one, then those of a family whose look-up
    /// was late (resolved_host::missing). Looking it up takes 30 s at most, or
    /// the endpoint's timeout= (errc::timed_out); cancelling ends it. A Unix peer answers to
    /// datagram_options::local. Throws as bind does, and what is wrong with each address.
    static task<datagram_socket> connect(endpoint where, datagram_options options = {});
    static task<datagram_socket> connect(std::string where, datagram_options options = {});

    explicit operator bool() const noexcept { return port_ != nullptr; }

    /// Waits for a datagram, and puts it into `memory`, which is lent until the await has ended. Of one that
    /// is longer, `truncated` is set, and the rest is lost. Memory of 0 bytes, as of an empty std::string, is
    /// EINVAL. (A UDP datagram has at most 65,507 bytes, of IPv6
    /// 65,527.)
    ///
    /// With a peer, it also tells what the network says of the datagrams that were sent: std::system_error
    /// with ECONNREFUSED when nobody has the peer's port (EHOSTUNREACH, …). Each such error ends one receive,
    /// and the next waits for a datagram again. Without a peer there are no such errors.
    ///
    /// Throws errc::closed when the socket is closed meanwhile, EBADF when it is empty, errc::wrong_thread in
    /// a task of another reactor. Cancelling loses no datagram. See recvmsg(2), udp(7).
    detail::receive_datagram_awaiter receive_from(mutable_buffer memory) noexcept {
        return detail::receive_datagram_awaiter{port_, memory};
    }

    /// Waits for a datagram as receive_from does, and takes with it those that are there already, one to a
    /// slot, in the order in which they came: with one system call on Linux. Gives the number of slots that
    /// it has filled, the first ones, at most most_at_once; 0, at once, when there are no slots. The slots
    /// and their memory are lent until the await has ended. Errors and cancelling as for receive_from. See
    /// recvmmsg(2).
    detail::receive_many_awaiter receive_many(std::span<datagram_slot> slots) noexcept {
        return detail::receive_many_awaiter{port_, slots.data(), slots.size()};
    }

    /// Sends the pieces as one datagram to `to`; both are lent until the await has ended, as temporaries in
    /// the same expression are. Completes when the kernel has taken it; it waits while the kernel has no
    /// room, over a Unix socket while the receiver has none, which holds up later sends to the same receiver
    /// and no others. Cancelled, it has sent all or nothing.
    ///
    /// Throws std::system_error: EMSGSIZE for more bytes than a datagram can have; EINVAL for port 0;
    /// EAFNOSUPPORT for an
    /// address of another family than the socket's (a socket of udp6 with dual_stack sends to IPv4 as
    /// "::ffff:127.0.0.1"); EISCONN for a socket that has a peer; ENETUNREACH, EACCES, … of this datagram;
    /// over Unix sockets ENOENT and ECONNREFUSED when nobody is there. errc::closed, EBADF and wrong_thread
    /// as receive_from. See sendmsg(2).
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    detail::send_pieces_awaiter<sizeof...(Pieces)> send_to(const address& to,
                                                           const Pieces&... pieces) noexcept {
        return detail::send_pieces_awaiter<sizeof...(Pieces)>{port_, &to, pieces...};
    }
    // What is no address, or no bytes.
    template <class To, class... Pieces>
        requires(!(std::is_convertible_v<const To&, const address&> && sizeof...(Pieces) > 0 &&
                   (std::is_convertible_v<const Pieces&, const_buffer> && ...)))
    auto send_to(const To&, const Pieces&...) {
        static_assert(detail::never<To>,
                      "send_to(to, pieces...) takes an address, as received_datagram::from or "
                      "address::from_ip(\"192.0.2.7\", 53), and text, bytes or chunks; a name is for "
                      "datagram_socket::connect(\"udp:example.org:53\"), or a resolver");
        return detail::refused_operation();
    }
    /// The same to the peer; EDESTADDRREQ without one. What the network says of an earlier datagram is not
    /// its error, but one for receive_from.
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    detail::send_pieces_awaiter<sizeof...(Pieces)> send(const Pieces&... pieces) noexcept {
        return detail::send_pieces_awaiter<sizeof...(Pieces)>{port_, nullptr, pieces...};
    }
    /// The same with a source, an interface, a traffic class or segments: see outgoing_datagram, which is
    /// lent until the await has ended. Also EOPNOTSUPP for what the system cannot do of it.
    detail::send_datagram_awaiter send(const outgoing_datagram& datagram) noexcept {
        return detail::send_datagram_awaiter{port_, datagram};
    }

    /// Sends the first of these datagrams as `send` does, and with it as many of the next ones as the kernel
    /// takes without waiting: with one system call on Linux, if the socket has no peer. Gives how many were
    /// sent, at most most_at_once; 0, at once, when there are none. An error is that of the first one; one
    /// of a later datagram ends the call before it, and is told to the next. All are lent until the await
    /// has ended. Cancelled, it has sent none of them, or completes. See sendmmsg(2).
    detail::send_many_awaiter send_many(std::span<const outgoing_datagram> datagrams) noexcept {
        return detail::send_many_awaiter{port_, datagrams.data(), datagrams.size()};
    }
    /// Whether outgoing_datagram::segment_size can be used here: with UDP on Linux, and in the simulation.
    bool can_segment() const noexcept;

    /// Joins a group: the socket receives what is sent to the group, and to its own port. Throws
    /// std::system_error: EADDRINUSE when it is a member already, EINVAL for an address that is no group's,
    /// EAFNOSUPPORT for one of another family than the socket's, ENODEV for an interface that there is not.
    /// It leaves when it is closed.
    void join(const multicast_group& group);
    /// Leaves a group that it has joined with the same interface and source; EADDRNOTAVAIL for any other.
    void leave(const multicast_group& group);
    /// How it sends to groups. Throws std::system_error: EINVAL for hops out of their range, ENODEV or
    /// EADDRNOTAVAIL for an interface that there is not, EOPNOTSUPP for a Unix socket.
    void set_multicast(const multicast_options& options);

    /// Where it is bound, with the port that the system chose; the address is 0.0.0.0 or :: for all of this
    /// machine. Empty when it is closed.
    address local() const;
    /// The peer's address; empty without one.
    address peer() const;
    /// Sets the buffers, dscp or device. Throws std::system_error as stream::set_options does, EOPNOTSUPP for
    /// others.
    void set_options(const socket_options& options);
    /// What the socket has of these now.
    socket_options options() const;
    /// -1 when it is closed. The descriptor is the socket's.
    int native_handle() const noexcept;

    /// Ends pending sends and receives with errc::closed, and removes the file of a Unix socket. Idempotent.
    void close() noexcept;

  private:
    friend struct detail::datagram_port_access;
    detail::datagram_port* port_ = nullptr;
};

}  // namespace bight
