// bound_socket: a socket that is bound but does not listen yet.
#pragma once

#include "../demux/socket_calls.hpp"

#include <bight/io/address.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/options.hpp>

#include <string>
#include <utility>

namespace bight::detail {

class listening_socket;

/// What must be undone when a listener is closed.
struct listener_traces {
    socket_file file;           // the file that it made
    bool was_blocking = false;  // the mode of its socket, which others share
    bool is_shared = false;

    void remove(socket_calls& calls, native_handle fd) noexcept {
        if (was_blocking) calls.set(fd, socket_calls::option::non_blocking, false);
        remove_file(calls);
    }
    void remove_file(socket_calls& calls) noexcept {
        if (file) calls.remove(file);
        file = {};
    }
};

/// Owns a socket that was bound for `where` (or, for an endpoint `fd:`, a copy of one that listens already),
/// and the file that was made for it. Thread: any.
class bound_socket {
  public:
    bound_socket() noexcept = default;
    /// Throws what bight::listen throws.
    bound_socket(const endpoint& where, const listen_options& options);
    bound_socket(bound_socket&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)),
          made_in_(other.made_in_),
          calls_(other.calls_),
          listens_(other.listens_),
          traces_(std::exchange(other.traces_, {})) {}
    bound_socket& operator=(bound_socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        std::swap(made_in_, other.made_in_);
        std::swap(calls_, other.calls_);
        std::swap(listens_, other.listens_);
        std::swap(traces_, other.traces_);
        return *this;
    }
    ~bound_socket();

    explicit operator bool() const noexcept { return fd_ >= 0; }
    address local() const noexcept { return calls_ ? calls_->local(fd_) : address(); }

    /// Listens, on the reactor that runs on this thread; this object is empty then. Throws what bight::listen
    /// throws. What it gives is not yet retained.
    listening_socket& listen(const endpoint& where, const listen_options& options) &&;

  private:
    int fd_ = -1;
    unsigned made_in_ = 0;  // see this_process
    socket_calls* calls_ = nullptr;
    bool listens_ = false;
    listener_traces traces_;
};

}  // namespace bight::detail
