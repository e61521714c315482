// listener, listen: accepts connections on a listening socket.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/detail/listener.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/options.hpp>

#include <coroutine>
#include <string_view>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

class address;

/// A listening socket. Destroying it closes the socket, but not the connections that were accepted.
/// Move-only. Sockets are close-on-exec, and TCP ones have SO_REUSEADDR. Thread: its reactor's.
class listener {
  public:
    listener() noexcept = default;
    explicit listener(detail::acceptor& s) noexcept;
    listener(const listener&) = delete;  // it has one owner: std::move(l)
    listener(listener&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
    listener& operator=(listener&& other) noexcept {
        if (this != &other) {
            close();
            socket_ = std::exchange(other.socket_, nullptr);
        }
        return *this;
    }
    ~listener() { close(); }

    explicit operator bool() const noexcept { return socket_ != nullptr; }

    /// Waits for the next connection. One task at a time: a second gets errc::busy. Connections that end
    /// before they are accepted are skipped; after 64 of these in a row it pauses for 100 ms. When
    /// descriptors run out, it follows the exhaustion_policy, and goes on. Any other error of accept(2) is
    /// thrown as a std::system_error, and the listener can still be used; EBADF is thrown when it is empty or
    /// closed. Cancelling loses no connection.
    detail::accept_awaiter accept() noexcept { return detail::accept_awaiter{socket_}; }

    /// The address on which it listens, with the port that the system chose if none was given.
    address local() const;
    /// The listening socket; -1 when another reactor has it (see sharding::hand_over).
    int native_handle() const noexcept;
    /// Stops listening; a pending accept ends with errc::closed. Idempotent. The file of a Unix socket is
    /// removed if this listener made it and it is still at its path, even if the working directory has
    /// changed; a file that a successor has put there stays.
    void close() noexcept;

  private:
    friend struct detail::acceptor_access;
    detail::acceptor* socket_ = nullptr;
};

/// Listens at `where` on the reactor that runs on this thread. When an address is in use, it tries again for
/// a quarter of a second, which blocks this thread: a killed server that used io_uring holds its addresses,
/// and accepts, for some 50 ms after its end. (It does not wait for the file of a Unix socket whose server is
/// alive.)
///
/// The file of a Unix socket that a server left behind is replaced. When several servers start at one path,
/// one succeeds, because each locks the directory meanwhile (flock(2), for at most 250 ms; if the lock is
/// refused, two servers that start at the same moment may both believe that they own the path). Clients can
/// connect to the file of a Unix socket from here on, even if accepting begins later (sharded_listener).
///
/// Throws std::system_error with the errno of the failure (EADDRINUSE, EACCES, …) and a message that names
/// the call and the address; errc::bad_endpoint for a string that cannot be parsed.
listener listen(const endpoint& where, const listen_options& options = {});
listener listen(std::string_view where, const listen_options& options = {});
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto listen(detail::anything, detail::anything = {}) {
    static_assert(
        fits,
        "listen(where, options) takes an endpoint, or one as text: listen(\"tcp:8123\"); the length "
        "of the queue is an option: {.backlog = 50}; an address is \"tcp:\" + at.to_string(), an open "
        "socket descriptor.as_endpoint(), or \"fd:3\"");
    return detail::refused();
}

}  // namespace bight
