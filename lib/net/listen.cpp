// Sockets that listen.
#include "bound_socket.hpp"
#include "listening_socket.hpp"
#include "resolve.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/net/address.hpp>
#include <bight/net/listener.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace bight {

namespace {

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error(error, std::system_category(), what);
}

// Closed unless it is released.
class socket_guard {
  public:
    explicit socket_guard(int fd) noexcept : fd_(fd) {}
    socket_guard(const socket_guard&) = delete;
    socket_guard& operator=(const socket_guard&) = delete;
    ~socket_guard() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

int new_socket(int family, const std::string& where) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) fail(errno, "socket for " + where);
    return fd;
}

void set(int fd, int level, int option, const std::string& where) {
    const int on = 1;
    if (::setsockopt(fd, level, option, &on, sizeof on) < 0) fail(errno, "setsockopt for " + where);
}

void bind_to(int fd, const address& to, const std::string& where) {
    if (::bind(fd, static_cast<const sockaddr*>(to.native()), static_cast<socklen_t>(to.native_size())) < 0) {
        fail(errno, "cannot bind to " + where);
    }
}

int listening_tcp(const endpoint& e, const std::string& where) {
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
    socket_guard s(new_socket(to.native_family(), where));
    set(s.get(), SOL_SOCKET, SO_REUSEADDR, where);
    if (e.reuse_port) set(s.get(), SOL_SOCKET, SO_REUSEPORT, where);
    if (to.family() == address::family_type::ipv6) set(s.get(), IPPROTO_IPV6, IPV6_V6ONLY, where);
    bind_to(s.get(), to, where);
    return s.release();
}

// A socket file that nobody listens at any more is left behind by a server that was killed: it is replaced.
void remove_stale(const address& at, const std::string& path, const std::string& where) {
    struct stat found{};
    if (::lstat(path.c_str(), &found) < 0 || !S_ISSOCK(found.st_mode)) return;
    const socket_guard probe(new_socket(AF_UNIX, where));
    if (::connect(probe.get(), static_cast<const sockaddr*>(at.native()),
                  static_cast<socklen_t>(at.native_size())) < 0 &&
        errno == ECONNREFUSED) {
        ::unlink(path.c_str());
    }
}

int listening_unix(const endpoint& e, const std::string& where, std::string& made) {
    const address to = address::from_path(e.path);
    socket_guard s(new_socket(AF_UNIX, where));
    const bool file = !e.path.empty() && e.path.front() != '@';
    if (file) {
        remove_stale(to, e.path, where);
        // Before bind, so that the file is never more open than it should be; afterwards, past the umask.
        if (e.mode >= 0) ::fchmod(s.get(), static_cast<mode_t>(e.mode));
    }
    bind_to(s.get(), to, where);
    if (file) {
        if (e.mode >= 0 && ::chmod(e.path.c_str(), static_cast<mode_t>(e.mode)) < 0) {
            const int error = errno;
            ::unlink(e.path.c_str());
            fail(error, "chmod of " + e.path);
        }
        made = e.path;
    }
    return s.release();
}

int adopted(const endpoint& e, const std::string& where) {
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(e.descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0) {
        fail(errno, "cannot listen at " + where);
    }
    if (!listening) fail(EINVAL, "cannot listen at " + where + ": it is a socket that does not listen");
    const int copy = ::fcntl(e.descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) fail(errno, "cannot duplicate " + where);
    const int flags = ::fcntl(copy, F_GETFL);
    ::fcntl(copy, F_SETFL, flags | O_NONBLOCK);
    return copy;
}

}  // namespace

namespace detail {

address local_address(int fd) noexcept {
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    if (fd < 0 || ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0) return {};
    return address::from_native(&a, size);
}

bound_socket::bound_socket(const endpoint& where) {
    const std::string text = where.to_string();
    switch (where.kind) {
        case endpoint::kind_type::tcp:
        case endpoint::kind_type::tcp6: fd_ = listening_tcp(where, text); break;
        case endpoint::kind_type::unix_domain: fd_ = listening_unix(where, text, file_); break;
        case endpoint::kind_type::descriptor:
            fd_ = adopted(where, text);
            listens_ = true;
            break;
    }
}

bound_socket::~bound_socket() {
    if (fd_ < 0) return;
    if (!file_.empty()) ::unlink(file_.c_str());
    ::close(fd_);
}

listening_socket& bound_socket::listen(const endpoint& where, const listen_options& options) && {
    if (!listens_) {
        const int asked = where.backlog > 0 ? where.backlog : options.backlog;
        if (::listen(fd_, asked > 0 ? asked : SOMAXCONN) < 0) {
            fail(errno, "cannot listen at " + where.to_string());
        }
    }
    return listening_socket::make(*reactor::current(), std::exchange(fd_, -1), options.when_exhausted,
                                  std::exchange(file_, {}));
}

}  // namespace detail

listener listen(const endpoint& where, const listen_options& options) {
    if (!reactor::current())
        throw std::logic_error("bight::listen is called within a task (no reactor runs on this thread)");
    return listener(detail::bound_socket(where).listen(where, options));
}

listener listen(std::string_view where, const listen_options& options) {
    return listen(endpoint::parse(where), options);
}

}  // namespace bight
