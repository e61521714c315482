// Hand-over: one reactor accepts, listeners on all of them get the connections.
#pragma once

#include "acceptor.hpp"
#include "bound_socket.hpp"
#include "../demux/socket_calls.hpp"

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

/// Owns a descriptor on its way.
class owned_descriptor {
  public:
    owned_descriptor(int fd, socket_calls& calls) noexcept : fd_(fd), calls_(calls) {}
    owned_descriptor(owned_descriptor&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), calls_(other.calls_) {}
    owned_descriptor& operator=(owned_descriptor&&) = delete;
    ~owned_descriptor();
    int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
    socket_calls& calls_;
};

/// The listener of one reactor, which gets its connections from the hub.
class intake final : public acceptor {
  public:
    /// Connections that wait here to be accepted, at most. A hub stops at `wanted`.
    static constexpr unsigned capacity = 32;
    static constexpr unsigned wanted = 16;

    intake(reactor& home, std::shared_ptr<connection_hub> hub, std::size_t index) noexcept;

    bool start(accept_awaiter& waiting) noexcept override;
    void cancel_accept() noexcept override;
    void close() noexcept override;
    int handle() const noexcept override { return -1; }
    address local() const override;
    void describe(std::string& out) const override;

    /// The hub knows of it now, and hears when it closes.
    void opened() noexcept { open_ = true; }
    void arrived(owned_descriptor connection) noexcept;
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

/// One listening socket that is accepted from for a hub: a task of its own on the reactor whose intake opened
/// first. A stop of that reactor does not end it, because the servers drain and may still accept; stop_now
/// does.
class hub_source final : private remote_call, public std::enable_shared_from_this<hub_source> {
  public:
    class room_awaiter;

    explicit hub_source(acceptor& a) noexcept : from(a) { from.retain(); }
    hub_source(const hub_source&) = delete;
    hub_source& operator=(const hub_source&) = delete;
    ~hub_source() { from.release(); }

    /// Has its reactor look at what the hub wants of it now. Thread: any, with the hub's lock held; `home` is
    /// not null. Needs no memory.
    void look_soon(connection_hub& hub) noexcept;

    // For the reactor's thread.
    void close() noexcept;
    void go_on() noexcept;

    acceptor& from;
    room_awaiter* wants_room = nullptr;

    // Under the hub's lock.
    reactor* home = nullptr;  ///< null before its task was given to the reactor, and once it has ended
    bool stalled = false;

  private:
    void arrived() noexcept override {}
    void released(bool arrived) noexcept override;

    std::shared_ptr<connection_hub> asked_by_;  // under the hub's lock: not null while the call is under way
    std::shared_ptr<hub_source> self_;          // as well
};

/// What the intakes share. A connection goes to the next intake, round and round, that has fewer than
/// `intake::wanted` waiting; while none has, nothing is accepted, and they wait in the backlog. It listens
/// from the moment when the first intake opens until the last has closed.
///
/// Who posts to a reactor holds the lock, and who leaves a reactor says so under the lock: so nothing is
/// posted to one that is gone.
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
    /// A listener for the reactor that runs on this thread, the one at `index`. Throws what bight::listen
    /// throws, and errc::busy when it has one that is open.
    listener open(std::size_t index);

  private:
    friend class intake;
    friend class hub_source;
    class running_source;

    struct slot {
        intake* in = nullptr;      // for the reactor's thread; what follows: under the lock
        reactor* home = nullptr;   // null: closed
        std::uint64_t opened = 0;  // how often, to know what comes too late
        unsigned waiting = 0;      // connections that are on their way, or wait there
    };

    static task<> accept_all(running_source source);
    static task<> accept_until_stopped(running_source source);
    bool has_room() const noexcept;
    void deliver(const hub_source& source, owned_descriptor connection) noexcept;
    void accept_failed(std::error_code error) noexcept;
    void taken(std::size_t index) noexcept;
    void closed(std::size_t index) noexcept;
    // With the lock held; the last two on the source's reactor.
    void room_was_made() noexcept;
    void look_at(hub_source& source) noexcept;
    void close_source() noexcept;

    const endpoint endpoint_;
    const listen_options options_;
    const address local_;

    std::mutex lock_;
    bound_socket socket_;  // until the first opens
    std::shared_ptr<hub_source> source_;
    std::vector<slot> slots_;
    std::size_t next_ = 0;
    std::size_t open_ = 0;
};

}  // namespace bight::detail
