// listener: where connections come in.
#pragma once

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

/// A listening socket; closed when it is destroyed, and then the connections that were accepted go on.
/// Move-only. Sockets are close-on-exec, and TCP ones have SO_REUSEADDR. Thread: its reactor's.
class listener {
  public:
    listener() noexcept = default;
    explicit listener(detail::acceptor& s) noexcept;
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

    /// The next connection. One task at a time: a second gets errc::busy. Connections that end before they
    /// are accepted are passed over, and after 64 in a row it looks again 100 ms later. Out of descriptors,
    /// it does as the exhaustion_policy says, and goes on. Any other error of accept(2) is thrown as a
    /// std::system_error, and the listener stays as it is; EBADF is thrown for one that is empty or was
    /// closed. Cancelling loses no connection.
    detail::accept_awaiter accept() noexcept { return detail::accept_awaiter{socket_}; }

    /// Where it listens, with the port that the system chose if none was given.
    address local() const;
    /// The listening socket; -1 when another reactor has it (see sharding::hand_over).
    int native_handle() const noexcept;
    /// Stops listening; a pending accept ends with errc::closed. Idempotent. A Unix socket's file is removed
    /// if it was made here and is still the one at its path, whatever the working directory is now: one that
    /// a successor has put there stays.
    void close() noexcept;

  private:
    detail::acceptor* socket_ = nullptr;
};

/// Listens at `where` on the reactor that runs on this thread. An address that is in use is tried for a
/// quarter of a second, while this thread waits: a server that was killed holds its addresses, and accepts,
/// for some 50 ms after its end, if it ran on io_uring. (Not that of a Unix socket's file whose server is
/// alive.) A Unix socket's file that a server left behind is replaced; of several that start at one path one
/// succeeds, as each locks the directory meanwhile (flock(2), for at most 250 ms; where that is refused, two
/// that start in the same moment may both believe that they have the path). Connections to a Unix socket's
/// file wait from here on, be it that accepting begins later (sharded_listener). Throws std::system_error
/// with the errno of what failed (EADDRINUSE, EACCES, …) and a message that says what and where;
/// errc::bad_endpoint for a string that cannot be parsed.
listener listen(const endpoint& where, const listen_options& options = {});
listener listen(std::string_view where, const listen_options& options = {});

}  // namespace bight
