// Creates listening sockets.
#include "bound_socket.hpp"
#include "listening_socket.hpp"
#include "option_values.hpp"
#include "resolve.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/address.hpp>
#include <bight/net/listener.hpp>

#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace bight {

namespace {

using detail::socket_calls;
using detail::socket_file;

// A killed server that used io_uring holds its addresses a little longer: the kernel destroys the ring, and
// with it the listening sockets, some 50 ms after the process has ended.
constexpr int most_tries = 26;
constexpr std::chrono::milliseconds between_tries{10};

[[noreturn]] void listening_failed(int error, const std::string& what) {
    throw std::system_error(detail::system_error_code(error), what);
}

// Makes a new socket, and closes it unless it is released.
class socket_guard {
  public:
    socket_guard(socket_calls& calls, int family, const std::string& where)
        : calls_(calls), fd_(calls.open(family)) {
        if (fd_ < 0) listening_failed(-fd_, "socket for " + where);
    }
    socket_guard(const socket_guard&) = delete;
    socket_guard& operator=(const socket_guard&) = delete;
    ~socket_guard() {
        if (fd_ >= 0) calls_.close(fd_);
    }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

    void set(socket_calls::option which, const std::string& where, bool on = true) const {
        if (const int error = calls_.set(fd_, which, on); error < 0)
            listening_failed(-error, "setsockopt for " + where);
    }
    void set(const socket_options& options, const std::string& where) const {
        if (options.reset_on_close)
            listening_failed(
                EINVAL, "listen at " + where + ": reset_on_close is for each connection, not for listen");
        detail::set_options(calls_, fd_, options, where);
    }
    /// `make_way` is called before each try, and returns what is at the address.
    template <class F>
    void bind(const address& to, const std::string& where, F make_way) const {
        for (int tries = 1;; ++tries) {
            const auto found = make_way();
            const int error = calls_.bind(fd_, to);
            if (error >= 0) return;
            if (detail::errno_of(-error) != EADDRINUSE || found != socket_calls::occupant::none ||
                tries == most_tries || &calls_ != &detail::kernel_sockets()) {
                const bool other_file = found == socket_calls::occupant::no_socket;
                listening_failed(-error, "cannot bind to " + where +
                                             (other_file ? ", where a file is that is no socket" : ""));
            }
            std::this_thread::sleep_for(between_tries);
        }
    }

  private:
    socket_calls& calls_;
    int fd_;
};

int listening_tcp(socket_calls& calls, const endpoint& e, const listen_options& options,
                  const std::string& where) {
    const std::string& host = e.interface.empty() ? e.host : e.interface;
    address to;
    if (host.empty()) {
        to = address::from_ip(e.kind == endpoint::kind_type::tcp6 ? "::" : "0.0.0.0", e.port);
    } else if (!detail::resolve_locally(host, e.port, e.kind == endpoint::kind_type::tcp6, to)) {
        throw std::system_error(errc::bad_endpoint,
                                "cannot listen at " + where + ": \"" + host +
                                    "\" is not an address of an interface (a numeric address, or "
                                    "localhost)");
    }
    using option = socket_calls::option;
    socket_guard s(calls, to.native_family(), where);
    s.set(option::listen_alone, where);
    if (e.reuse_port) s.set(option::reuse_port, where);
    if (to.family() == address::family_type::ipv6) s.set(option::only_ipv6, where, !e.dual_stack);
    s.set(detail::merged(e.options, options.socket), where);
    s.bind(to, where, [] { return socket_calls::occupant::none; });
    return s.release();
}

// Locks the directory of a path while this object lives.
class directory_lock {
  public:
    directory_lock(socket_calls& calls, const std::string& path) noexcept
        : calls_(calls), held_(calls.lock_directory_of(path)) {}
    directory_lock(const directory_lock&) = delete;
    directory_lock& operator=(const directory_lock&) = delete;
    ~directory_lock() {
        if (held_ >= 0) calls_.close(held_);
    }

  private:
    socket_calls& calls_;
    int held_;
};

int listening_unix(socket_calls& calls, const endpoint& e, const listen_options& options,
                   const std::string& where, socket_file& made) {
    const address to = address::from_path(e.path);
    socket_guard s(calls, to.native_family(), where);
    s.set(detail::merged(e.options, options.socket), where);
    const bool file = !e.path.empty() && e.path.front() != '@';
    std::string path;
    // With the lock, of two servers that start at once each sees either a stale file or a listening socket.
    std::optional<directory_lock> alone;
    if (file) {
        path = calls.full_path(to);
        alone.emplace(calls, path);
        // Set before bind, so that the file is never more accessible than it should be, and again afterwards,
        // without the umask.
        if (e.mode >= 0) calls.set_coming_mode(s.get(), e.mode);
    }
    // The file of a killed server is replaced.
    s.bind(to, where, [&] { return file ? calls.remove_stale(to) : socket_calls::occupant::none; });
    if (file) {
        made = calls.file_at(std::move(path));
        const int error = e.mode >= 0 ? calls.set_mode(to, e.mode) : 0;
        if (error < 0) {
            calls.remove(std::exchange(made, {}));
            listening_failed(-error, "chmod of " + e.path);
        }
        // Listen at once, so that nobody takes the file for a stale one; the backlog is set later by
        // listen().
        (void)calls.listen(s.get(), SOMAXCONN);
    }
    return s.release();
}

int adopted(socket_calls& calls, const endpoint& e, const std::string& where, bool& was_blocking) {
    const int listening = calls.listens(e.descriptor);
    if (listening < 0) listening_failed(-listening, "cannot listen at " + where);
    if (!listening)
        listening_failed(EINVAL, "cannot listen at " + where + ": it is a socket that does not listen");
    if (calls.is_stream(e.descriptor) != 1) {
        listening_failed(EPROTOTYPE,
                         "cannot listen at " + where + ": it is a socket of packets, and no stream");
    }
    const int copy = calls.duplicate(e.descriptor);
    if (copy < 0) listening_failed(-copy, "cannot duplicate " + where);
    // accept(2) has no flag against blocking, and it would block when another process that shares the socket
    // is faster.
    const int blocking = calls.is_blocking(copy);
    const int error = blocking > 0 ? calls.set(copy, socket_calls::option::non_blocking, true) : blocking;
    if (error < 0) {
        calls.close(copy);
        listening_failed(-error, "cannot listen at " + where);
    }
    was_blocking = blocking > 0;
    return copy;
}

}  // namespace

namespace detail {

bound_socket::bound_socket(const endpoint& where, const listen_options& options)
    : made_in_(this_process()), calls_(&sockets_here()) {
    const std::string text = where.to_string();
    switch (where.kind) {
        case endpoint::kind_type::tcp:
        case endpoint::kind_type::tcp6: fd_ = listening_tcp(*calls_, where, options, text); break;
        case endpoint::kind_type::udp:
        case endpoint::kind_type::udp6:
            throw std::system_error(
                errc::bad_endpoint,
                "cannot listen at " + text + ": datagrams have no connections; see datagram_socket::bind");
        case endpoint::kind_type::unix_domain:
            fd_ = listening_unix(*calls_, where, options, text, traces_.file);
            break;
        case endpoint::kind_type::descriptor:
            fd_ = adopted(*calls_, where, text, traces_.was_blocking);
            traces_.is_shared = listens_ = true;
            break;
    }
}

bound_socket::~bound_socket() {
    if (fd_ < 0) return;
    if (made_in_ == this_process()) traces_.remove(*calls_, fd_);  // in a child they are the parent's
    calls_->close(fd_);
}

listening_socket& bound_socket::listen(const endpoint& where, const listen_options& options) && {
    if (!listens_) {
        const int asked = where.backlog > 0 ? where.backlog : options.backlog;
        if (asked < 0) {
            throw std::invalid_argument("listen at " + where.to_string() + ": listen_options::backlog is " +
                                        std::to_string(asked) +
                                        ", and must be 0 (the system's maximum) or more");
        }
        const int error = calls_->listen(fd_, asked > 0 ? asked : SOMAXCONN);
        if (error < 0) listening_failed(-error, "cannot listen at " + where.to_string());
    }
    return listening_socket::make(*reactor::current(), std::exchange(fd_, -1), options.when_exhausted,
                                  std::exchange(traces_, {}));
}

}  // namespace detail

listener listen(const endpoint& where, const listen_options& options) {
    if (!reactor::current())
        throw std::logic_error("bight::listen is called within a task (no reactor runs on this thread)");
    return listener(detail::bound_socket(where, options).listen(where, options));
}

listener listen(std::string_view where, const listen_options& options) {
    return listen(endpoint::parse(where), options);
}

}  // namespace bight
