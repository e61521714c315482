// acceptor: the interface behind a listener.
#pragma once

#include <bight/core/reactor.hpp>
#include <bight/io/address.hpp>
#include <bight/net/listener.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace bight {
struct released_listener;
}

namespace bight::detail {

/// A source of connections, for one awaiter at a time. `listener` is the handle that users hold. All calls
/// come on the reactor's thread.
class acceptor {
  public:
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;

    /// True when `waiting` has its answer at once, a connection or an error. Otherwise it gets it later, from
    /// the reactor's loop.
    virtual bool start(accept_awaiter& waiting) noexcept = 0;
    /// Asks the waiting awaiter to end early; no connection is lost by that.
    virtual void cancel_accept() noexcept = 0;
    /// Closes it; a waiting awaiter gets errc::closed. Idempotent.
    virtual void close() noexcept = 0;
    /// The listening socket, or -1.
    virtual int handle() const noexcept = 0;
    virtual address local() const = 0;
    /// Takes the socket out of it, with the connections that were accepted ahead; it is closed then. An
    /// error, and then it is as before, when it is in use, or has no socket. Throws std::bad_alloc.
    virtual std::error_code release_socket(released_listener& to) = 0;
    virtual void describe(std::string& out) const = 0;

    reactor& home() const noexcept { return home_; }

    void retain() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) delete this;
    }

  protected:
    explicit acceptor(reactor& home) noexcept : home_(home) {}
    virtual ~acceptor() = default;

  private:
    reactor& home_;
    std::uint32_t references_ = 0;
};

}  // namespace bight::detail
