// The calls on stream sockets that are no operations: they end at once.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/address.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The file that a Unix socket was given by its bind: where it is, whatever the working directory becomes,
/// and which one it is, whatever takes its name.
struct socket_file {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    explicit operator bool() const noexcept { return !path.empty(); }
};

/// Results are 0 or more, or -errno. One implementation asks the kernel; a simulated host has another
/// (demultiplexer::sockets). Thread: the kernel's any, a simulation's its own.
class socket_calls {
  public:
    socket_calls(const socket_calls&) = delete;
    socket_calls& operator=(const socket_calls&) = delete;

    enum class option : unsigned char {
        reuse_address,
        reuse_port,
        only_ipv6,
        no_delay,
        keep_alive,
        non_blocking,
        abort_on_close
    };

    /// A new descriptor, close-on-exec and non-blocking.
    virtual int open(int family) noexcept = 0;
    virtual void close(int fd) noexcept = 0;
    virtual int set(int fd, option which, bool on) noexcept = 0;
    virtual int bind(int fd, const address& to) noexcept = 0;
    virtual int listen(int fd, int backlog) noexcept = 0;
    /// A connection, or -EAGAIN.
    virtual int accept(int fd) noexcept = 0;
    /// The family of a socket: AF_INET, …
    virtual int family(int fd) noexcept = 0;
    /// Whether it listens.
    virtual int listens(int fd) noexcept = 0;
    /// Whether it is of a stream of bytes, and not of datagrams or packets.
    virtual int is_stream(int fd) noexcept = 0;
    /// Whether calls on it, and on every other descriptor of the same opening, wait.
    virtual int is_blocking(int fd) noexcept = 0;
    /// A second descriptor of the same socket, close-on-exec.
    virtual int duplicate(int fd) noexcept = 0;
    /// Empty when that cannot be told.
    virtual address local(int fd) noexcept = 0;
    virtual address peer(int fd) noexcept = 0;
    virtual int shutdown_write(int fd) noexcept = 0;
    /// After a receive that gave 0: 1 when the peer's end of the stream is why, -errno when the connection
    /// has failed and nobody else has been told, 0 when it is not known: another call may have been told.
    virtual int input_ended(int fd) noexcept = 0;
    /// Sends the peer a reset (TCP), whatever other descriptors the socket has.
    virtual void reset(int fd) noexcept = 0;
    /// Bytes that the peer has not acknowledged, the end counting as one.
    virtual std::size_t unsent(int fd) noexcept = 0;
    /// Throws away what has arrived, up to a bound.
    virtual void discard_input(int fd) noexcept = 0;

    // The file of a Unix socket.

    /// What is at a path where a socket is to be bound.
    enum class occupant : unsigned char { none, alive, no_socket };
    /// Removes a socket file at which nobody listens any more.
    virtual occupant remove_stale(const address& at) noexcept = 0;
    /// Until the descriptor is closed which it gives, nobody else who asks has the directory of `path`: it is
    /// waited for 250 ms. -1 when it cannot be had.
    virtual int lock_directory_of(const std::string& path) noexcept = 0;
    /// The mode that it will have once `fd` is bound, as far as the umask lets it.
    virtual void set_coming_mode(int fd, int mode) noexcept = 0;
    virtual int set_mode(const address& at, int mode) noexcept = 0;
    /// Where `at` is, in words that another working directory does not change. Throws std::system_error.
    virtual std::string full_path(const address& at) = 0;
    /// Which file is at `path`; empty when there is none.
    virtual socket_file file_at(std::string path) noexcept = 0;
    /// Removes it, unless another has taken its name.
    virtual void remove(const socket_file& file) noexcept = 0;

    /// A descriptor that is kept in reserve for the day when there is none left, or -errno.
    virtual int open_reserve() noexcept = 0;

  protected:
    socket_calls() noexcept = default;
    ~socket_calls() = default;
};

/// Those of the kernel.
socket_calls& kernel_sockets() noexcept;

/// Those of the reactor that runs on this thread, or of the simulated host whose thread it is; else the
/// kernel's.
socket_calls& sockets_here() noexcept;

}  // namespace detail
}  // namespace bight
