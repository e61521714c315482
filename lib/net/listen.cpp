// Creates listening sockets.
#include "bound_socket.hpp"
#include "inherited_descriptor.hpp"
#include "listening_socket.hpp"
#include "new_socket.hpp"
#include "option_values.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/address.hpp>
#include <bight/net/listener.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

namespace bight {

namespace {

using detail::socket_calls;
using detail::socket_file;

[[noreturn]] void listening_failed(int error, const std::string& what) {
    throw std::system_error(detail::system_error_code(error), what);
}

void set_options(const detail::new_socket& s, const endpoint& e, const listen_options& options) {
    const socket_options wanted = detail::merged(e.options, options.socket);
    if (wanted.reset_on_close) {
        listening_failed(
            EINVAL, "listen at " + e.to_string() + ": reset_on_close is for each connection, not for listen");
    }
    s.set(wanted);
}

int listening_tcp(socket_calls& calls, const endpoint& e, const listen_options& options,
                  const std::string& where) {
    const address to = detail::address_to_bind(e, "listen at");
    using option = socket_calls::option;
    detail::new_socket s(calls, to.native_family(), detail::socket_type::stream, where);
    s.set(option::listen_alone);
    if (e.reuse_port) s.set(option::reuse_port);
    if (to.family() == address::family_type::ipv6) s.set(option::only_ipv6, !e.dual_stack);
    set_options(s, e, options);
    s.bind(to);
    return s.release();
}

int listening_unix(socket_calls& calls, const endpoint& e, const listen_options& options,
                   const std::string& where, socket_file& made) {
    const address to = address::from_path(e.path);
    detail::new_socket s(calls, to.native_family(), detail::socket_type::stream, where);
    set_options(s, e, options);
    // It listens at once, so that nobody takes the file for a stale one; the backlog is set later by
    // listen().
    made = s.bind_path(to, e.mode, [&] { (void)calls.listen(s.get(), SOMAXCONN); });
    return s.release();
}

int adopted(socket_calls& calls, const endpoint& e, const std::string& where, bool& was_blocking) {
    const int fd = detail::adopted_descriptor(e);
    const int listening = calls.listens(fd);
    if (listening < 0) listening_failed(-listening, "cannot listen at " + where);
    if (!listening)
        listening_failed(EINVAL, "cannot listen at " + where + ": it is a socket that does not listen");
    if (calls.is_stream(fd) != 1) {
        listening_failed(EPROTOTYPE,
                         "cannot listen at " + where + ": it is a socket of packets, and no stream");
    }
    const int copy = calls.duplicate(fd);
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
        case endpoint::kind_type::inherited:
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
