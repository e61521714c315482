#include <bight/net/peer_credentials.hpp>

#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/socket_calls.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/io/detail/stream.hpp>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

peer_credentials credentials_of_peer(const stream& of) {
    constexpr const char* what = "ask who is the peer of";
    if (!of) detail::throw_stream_error(detail::no_connection(), what, nullptr);
    if (detail::belongs_elsewhere(of.lower()))
        detail::throw_stream_error(errc::wrong_thread, what, &of.lower());
    const int fd = of.is_open() ? of.native_handle() : -1;
    detail::socket_calls& calls = detail::demultiplexer_of(of.lower().home()).sockets();
    detail::told_credentials told;
    int error = 0;
    if (fd < 0) {
        error = of.is_open() ? -EOPNOTSUPP : -EBADF;
    } else {
        error = calls.family(fd) == AF_UNIX ? calls.credentials(fd, told) : -EOPNOTSUPP;
    }
    peer_credentials peer;
    peer.pidfd = owned_descriptor(told.pidfd);
    if (error < 0) {
        const std::error_code code = detail::system_error_code(-error);
        if (detail::errno_of(-error) != EOPNOTSUPP) detail::throw_stream_error(code, what, &of.lower());
        std::string text = what;
        text += ' ';
        of.lower().describe(text);
        throw std::system_error(code, text + ": only Unix sockets tell");
    }
    peer.process = told.process;
    peer.user = told.user;
    peer.group = told.group;
    peer.groups = std::move(told.groups);
    return peer;
}

}  // namespace bight
