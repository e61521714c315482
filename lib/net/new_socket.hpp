// new_socket: a socket that is being made.
#pragma once

#include "../demux/socket_calls.hpp"

#include <bight/io/address.hpp>
#include <bight/io/socket_options.hpp>
#include <bight/net/endpoint.hpp>

#include <string>
#include <utility>

namespace bight::detail {

/// A socket, which it closes unless it is released. Calls throw std::system_error, which names the call and
/// `where`.
class new_socket {
  public:
    /// `where` is kept as a reference.
    new_socket(socket_calls& calls, int family, socket_type type, const std::string& where);
    /// One of datagrams that is open.
    new_socket(socket_calls& calls, int open_socket, const std::string& where) noexcept
        : calls_(calls), type_(socket_type::datagram), where_(where), fd_(open_socket) {}
    new_socket(const new_socket&) = delete;
    new_socket& operator=(const new_socket&) = delete;
    ~new_socket() {
        if (fd_ >= 0) calls_.close(fd_);
    }

    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

    void set(socket_calls::option which, bool on = true) const;
    void set(const socket_options& options) const;

    /// Tries again for a quarter of a second, which blocks this thread, when the address is in use: a killed
    /// program that used io_uring may still hold it.
    void bind(const address& to) const;
    /// Binds to a path, and gives the file that came to be, if one did. The file of a killed program is
    /// replaced. `mode`: the permissions of the file; -1: what the umask leaves. `then` is called while
    /// nobody else can come to believe that the new file is a stale one.
    template <class F>
    socket_file bind_path(const address& to, int mode, F then) const {
        path_binding b(*this, to, mode);
        then();
        return b.take();
    }

  private:
    // A bind to a path, during which the directory is locked: of two programs that start at once each sees
    // either a stale file or a socket that is in use.
    class path_binding {
      public:
        path_binding(const new_socket& of, const address& to, int mode);
        path_binding(const path_binding&) = delete;
        path_binding& operator=(const path_binding&) = delete;
        ~path_binding() { end(); }
        socket_file take() noexcept { return std::exchange(file_, {}); }

      private:
        void end() noexcept;
        socket_calls& calls_;
        int lock_ = -1;
        socket_file file_;
    };

    template <class F>
    void bind(const address& to, F make_way) const;

    socket_calls& calls_;
    socket_type type_;
    const std::string& where_;
    int fd_ = -1;
};

/// The address of this machine that an endpoint with a port names: its interface, its host, or any. `what`
/// begins the error of one that names none: "listen at".
address address_to_bind(const endpoint& e, const char* what);

}  // namespace bight::detail
