// socket_calls: the non-blocking calls on sockets that are not operations.
#pragma once

#include "native_handle.hpp"

#include <bight/core/export.hpp>
#include <bight/io/address.hpp>
#include <bight/io/multicast_group.hpp>
#include <bight/io/socket_options.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The file of a bound Unix socket: its absolute path, and its identity (device and inode), in case another
/// file takes its name.
struct socket_file {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    explicit operator bool() const noexcept { return !path.empty(); }
};

enum class socket_type : unsigned char { stream, datagram };

/// What the system tells of the process at the other end of a Unix socket; see bight::peer_credentials.
struct told_credentials {
    std::optional<std::int64_t> process;
    std::optional<std::uint32_t> user;
    std::optional<std::uint32_t> group;
    std::vector<std::uint32_t> groups;
    int pidfd = -1;  ///< belongs to who asked
};

/// Simulated hosts number their descriptors from here on, so that they are not taken for real ones.
inline constexpr int first_simulated_descriptor = 1 << 24;

/// Results are 0 or more, a descriptor, say, or a negative error number. One implementation calls the kernel;
/// a simulated host has another (demultiplexer::sockets). Thread: any for the kernel's, only its own for a
/// simulation's.
class socket_calls {
  public:
    socket_calls(const socket_calls&) = delete;
    socket_calls& operator=(const socket_calls&) = delete;

    enum class option : unsigned char {
        reuse_address,  ///< a bind takes an address in spite of connections that have ended
        listen_alone,   ///< the same for a socket that is to listen, and that no other program may stand in
                        ///< for
        reuse_port,
        only_ipv6,
        no_delay,
        keep_alive,
        non_blocking,
        abort_on_close,
        port_at_connect,  ///< a bind to port 0 leaves the choice of the port to the connect
        // Of datagrams:
        broadcast,
        share_address,  ///< others may bind the same address if they set it, too
        tell_arrival,   ///< each comes with the address and the interface to which it was sent
        tell_traffic_class,
        tell_sender,       ///< each of a Unix socket comes with its sender's process
        coalesce_received  ///< several from one sender may come as one
    };

    /// A new descriptor, close-on-exec and non-blocking.
    virtual int open(int family, socket_type type) noexcept = 0;
    virtual void close(native_handle fd) noexcept = 0;
    virtual int set(native_handle fd, option which, bool on) noexcept = 0;
    /// Options that are numbers, or are read back as numbers.
    enum class number : unsigned char {
        no_delay,
        keep_alive,
        keep_alive_idle,      ///< seconds
        keep_alive_interval,  ///< seconds
        keep_alive_count,
        user_timeout,  ///< milliseconds
        send_buffer,
        receive_buffer,
        dscp,
        reset_on_close
    };
    virtual int set_number(native_handle fd, number which, int value) noexcept = 0;
    virtual int get_number(native_handle fd, number which) noexcept = 0;
    /// The network interface to which the socket is bound; none when it is to none.
    virtual int set_device(native_handle fd, std::string_view name) noexcept = 0;
    virtual interface_name device(native_handle fd) noexcept = 0;

    virtual int bind(native_handle fd, const address& to) noexcept = 0;
    virtual int listen(native_handle fd, int backlog) noexcept = 0;
    /// Sets the peer of a datagram socket, without waiting, and discards what has come before: of strangers,
    /// perhaps. Errors of the network that concern its datagrams are told to later calls.
    virtual int connect_datagrams(native_handle fd, const address& to) noexcept = 0;
    virtual int set_multicast(native_handle fd, const multicast_options& options) noexcept = 0;
    /// Joins or leaves a group.
    virtual int set_membership(native_handle fd, const multicast_group& of, bool joins) noexcept = 0;
    /// Whether outgoing_datagram::segment_size has an effect.
    virtual bool can_segment(native_handle fd) noexcept = 0;
    /// A connection, or -EAGAIN.
    virtual int accept(native_handle fd) noexcept = 0;
    /// The family of a socket: AF_INET, …
    virtual int family(native_handle fd) noexcept = 0;
    /// Whether it listens.
    virtual int listens(native_handle fd) noexcept = 0;
    /// Whether it is a byte stream, rather than a datagram or packet socket.
    virtual int is_stream(native_handle fd) noexcept = 0;
    /// Whether what it receives are datagrams, each by itself, with none at their end: of a socket of packets
    /// (SOCK_SEQPACKET) one of no bytes may be its end.
    virtual int has_datagrams(native_handle fd) noexcept = 0;
    /// Whether calls on it (and on every duplicate of the descriptor) block.
    virtual int is_blocking(native_handle fd) noexcept = 0;
    /// A duplicate of the descriptor, close-on-exec.
    virtual int duplicate(native_handle fd) noexcept = 0;
    /// The addresses; empty when unknown.
    virtual address local(native_handle fd) noexcept = 0;
    virtual address peer(native_handle fd) noexcept = 0;
    /// Of a Unix socket. Throws std::bad_alloc.
    virtual int credentials(native_handle fd, told_credentials& peer) = 0;
    virtual int shutdown_write(native_handle fd) noexcept = 0;
    /// After a receive that returned 0: 1 when the peer has ended the stream; -errno when the connection has
    /// failed and no other call has got the error; 0 when this is unknown, because another call may have got
    /// it.
    virtual int input_ended(native_handle fd) noexcept = 0;
    /// What the other side of a connection has done, whether or not that was read.
    enum class peer_state : unsigned char {
        there,
        ended,      ///< it has sent its end
        hung_up,    ///< the connection is over in both directions
        has_failed  ///< with an error, which the next call gets
    };
    virtual peer_state state_of_peer(native_handle fd) noexcept = 0;
    /// Sends the peer a reset (TCP), even if the socket has other descriptors.
    virtual void reset(native_handle fd) noexcept = 0;
    /// The number of bytes that the peer has not acknowledged; the end of the stream counts as one.
    virtual std::size_t unsent(native_handle fd) noexcept = 0;
    /// About how many bytes a send would take now; the greatest number when that cannot be told.
    virtual std::size_t room(native_handle fd) noexcept = 0;
    /// Discards what has arrived, up to a limit.
    virtual void discard_input(native_handle fd) noexcept = 0;

    // Calls for the files of Unix sockets. Those that are not noexcept throw std::bad_alloc.

    /// What exists at a path where a socket is to be bound.
    enum class occupant : unsigned char { none, alive, no_socket };
    /// Removes the file of a socket of that type, if nobody has the socket any more.
    virtual occupant remove_stale(const address& at, socket_type type) = 0;
    /// Locks the directory of `path`, waiting for at most 250 ms. Returns a descriptor; closing it releases
    /// the lock. -1 when the lock was not obtained.
    virtual int lock_directory_of(const std::string& path) noexcept = 0;
    /// Sets the mode that the file will have when `fd` is bound, as far as the umask permits.
    virtual void set_coming_mode(native_handle fd, int mode) noexcept = 0;
    virtual int set_mode(const address& at, int mode) = 0;
    /// The absolute path of `at`. Throws std::system_error.
    virtual std::string full_path(const address& at) = 0;
    /// The identity of the file at `path`; empty when there is none.
    virtual socket_file file_at(std::string path) noexcept = 0;
    /// Removes the file, unless another one has taken its name.
    virtual void remove(const socket_file& file) noexcept = 0;

    /// Opens a descriptor to be kept in reserve for when descriptors run out; or returns -errno.
    virtual int open_reserve() noexcept = 0;

  protected:
    socket_calls() noexcept = default;
    ~socket_calls() = default;
};

/// The calls of the kernel.
socket_calls& kernel_sockets() noexcept;

/// The calls of the reactor that runs on this thread, or of the simulated host whose thread this is;
/// otherwise the kernel's.
socket_calls& sockets_here() noexcept;

}  // namespace detail
}  // namespace bight
