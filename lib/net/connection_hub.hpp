// connection_hub: one reactor accepts, and passes the connections to the listeners of all reactors
// (hand_over).
#pragma once

#include "../demux/socket_calls.hpp"
#include "acceptor.hpp"
#include "bound_socket.hpp"

#include <bight/core/detail/posted.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>
#include <vector>

namespace bight::detail {

class connection_hub;

/// Owns the descriptor of a connection on its way to another reactor.
class travelling_connection {
  public:
    travelling_connection(int fd, socket_calls& calls) noexcept : fd_(fd), calls_(calls) {}
    travelling_connection(travelling_connection&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), calls_(other.calls_) {}
    travelling_connection& operator=(travelling_connection&&) = delete;
    ~travelling_connection();
    int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
    socket_calls& calls_;
};

/// The listener of one reactor, which gets its connections from the hub.
class intake final : public acceptor {
  public:
    /// At most `capacity` connections wait here to be accepted. The hub stops at `wanted`.
    static constexpr unsigned capacity = 32;
    static constexpr unsigned wanted = 16;

    intake(reactor& home, std::shared_ptr<connection_hub> hub, std::size_t index) noexcept;

    bool start(accept_awaiter& waiting) noexcept override;
    void cancel_accept() noexcept override;
    void close() noexcept override;
    int handle() const noexcept override { return -1; }
    address local() const override;
    std::error_code release_socket(released_listener&) override {
        return std::make_error_code(std::errc::operation_not_supported);
    }
    void describe(std::string& out) const override;

    /// The hub knows this intake from now on, and is told when it closes.
    void opened() noexcept { open_ = true; }
    void arrived(travelling_connection connection) noexcept;
    void failed(std::error_code error) noexcept;

  private:
    ~intake() override { close(); }

    socket_calls& calls_;
    std::shared_ptr<connection_hub> hub_;
    std::size_t index_;
    accept_awaiter* waiting_ = nullptr;
    std::array<int, capacity> queue_;
    unsigned first_ = 0;
    unsigned count_ = 0;
    std::error_code error_;
    bool open_ = false;
};

/// The listening socket of a hub. A separate task, on the reactor whose intake opened first, accepts from it.
/// A stop of that reactor does not end the task, because the servers drain and may still accept; stop_now
/// does.
class hub_source final : private remote_call, public std::enable_shared_from_this<hub_source> {
  public:
    class room_awaiter;

    explicit hub_source(acceptor& a) noexcept : from(a) { from.retain(); }
    hub_source(const hub_source&) = delete;
    hub_source& operator=(const hub_source&) = delete;
    ~hub_source() { from.release(); }

    /// Has its reactor check what the hub needs from it. Thread: any, with the hub's lock held; `home` must
    /// not be null. Allocates nothing.
    void look_soon(connection_hub& hub) noexcept;

    // For the reactor's thread.
    void close() noexcept;
    void go_on() noexcept;

    acceptor& from;
    room_awaiter* wants_room = nullptr;

    // Guarded by the hub's lock.
    reactor* home = nullptr;  ///< null before its task was given to the reactor, and once it has ended
    bool stalled = false;

  private:
    void arrived() noexcept override {}
    void released(bool arrived) noexcept override;

    std::shared_ptr<connection_hub> asked_by_;  // guarded by the hub's lock; set while the call is queued
    std::shared_ptr<hub_source> self_;          // likewise
};

/// The state shared by the intakes. Connections go to the intakes in turn, skipping those that have
/// `intake::wanted` or more waiting; if all have, nothing is accepted, and connections wait in the backlog.
/// The hub listens from the opening of the first intake until the last has closed.
///
/// Posting to a reactor requires the lock, and an intake or source that leaves its reactor records that under
/// the lock, so nothing is posted to a destroyed reactor.
class connection_hub : public std::enable_shared_from_this<connection_hub> {
  public:
    /// `where` has the port that `socket` is bound to.
    connection_hub(endpoint where, const listen_options& options, bound_socket socket, std::size_t reactors)
        : endpoint_(std::move(where)),
          options_(options),
          local_(socket.local()),
          socket_(std::move(socket)),
          slots_(reactors) {}

    address local() const noexcept { return local_; }
    /// Opens the listener of the reactor that runs on this thread, which has this `index`. Throws what
    /// bight::listen throws, and errc::busy when its listener is open already.
    listener open(std::size_t index);

  private:
    friend class intake;
    friend class hub_source;
    class running_source;

    /// Tells the listener of a reactor that accepting has failed. Made when that opens, because memory may be
    /// what is missing later.
    class failure_notice final : public posted {
      public:
        void call() override;
        std::shared_ptr<connection_hub> hub;  // while it is under way
        std::size_t index = 0;
        std::uint64_t opened = 0;
        std::error_code error;
    };

    struct slot {
        intake* in = nullptr;                    // for the reactor's thread; the rest is guarded by the lock
        reactor* home = nullptr;                 // null: closed
        std::uint64_t opened = 0;                // how often it was opened, to recognise what comes too late
        unsigned waiting = 0;                    // connections that are on their way or wait there
        std::unique_ptr<failure_notice> notice;  // until it is sent
    };

    static task<> accept_all(running_source source);
    static task<> accept_until_stopped(running_source source);
    bool has_room() const noexcept;
    void deliver(const hub_source& source, travelling_connection connection) noexcept;
    void accept_failed(std::error_code error) noexcept;
    void taken(std::size_t index) noexcept;
    void closed(std::size_t index) noexcept;
    // To be called with the lock held; the last two on the source's reactor.
    void room_was_made() noexcept;
    void look_at(hub_source& source) noexcept;
    void close_source() noexcept;

    const endpoint endpoint_;
    const listen_options options_;
    const address local_;

    std::mutex lock_;
    bound_socket socket_;  // until the first intake opens
    std::shared_ptr<hub_source> source_;
    std::vector<slot> slots_;
    std::size_t next_ = 0;
    std::size_t open_ = 0;
};

}  // namespace bight::detail
