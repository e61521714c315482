// Accepting and connecting of the IOCP demultiplexer.
#include "descriptor_calls.hpp"
#include "iocp.hpp"
#include "stream_calls.hpp"

#include "../core/system_error.hpp"

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr int update_accept_context = 0x700B;
constexpr int update_connect_context = 0x7010;

template <class F>
int load(SOCKET from, GUID of, F& function) noexcept {
    DWORD size = 0;
    const int result = ::WSAIoctl(from, SIO_GET_EXTENSION_FUNCTION_POINTER, &of, sizeof of, &function,
                                  sizeof function, &size, nullptr, nullptr);
    return result == 0 ? 0 : last_socket_error();
}

socket_extensions load_extensions() {
    socket_extensions found;
    const SOCKET s = ::WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
    int error = s == INVALID_SOCKET ? last_socket_error() : 0;
    if (error == 0) {
        error = load(s, WSAID_ACCEPTEX, found.accept);
        if (error == 0) error = load(s, WSAID_CONNECTEX, found.connect);
        ::closesocket(s);
    }
    if (error != 0) throw std::system_error(system_error_code(error), "AcceptEx and ConnectEx");
    return found;
}

// A socket of the same kind as the listening one, or an error number.
int make_socket_for(SOCKET listening, SOCKET& made) noexcept {
    WSAPROTOCOL_INFOW provider{};
    int size = sizeof provider;
    if (::getsockopt(listening, SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&provider), &size) !=
        0) {
        return last_socket_error();
    }
    made = ::WSASocketW(provider.iAddressFamily, provider.iSocketType, provider.iProtocol, nullptr, 0,
                        WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    return made == INVALID_SOCKET ? last_socket_error() : 0;
}

// A connection that has failed before it was accepted says nothing of the listening socket.
std::int64_t accept_error(int error) noexcept {
    return errno_of(error) == ECONNRESET ? -ECONNABORTED : -error;
}

// The connection, or a negative error number.
std::int64_t take_accepted(SOCKET listening, SOCKET s) noexcept {
    u_long on = 1;
    if (::setsockopt(s, SOL_SOCKET, update_accept_context, reinterpret_cast<const char*>(&listening),
                     sizeof listening) == 0 &&
        ::ioctlsocket(s, static_cast<long>(FIONBIO), &on) == 0) {
        return static_cast<std::int64_t>(s);
    }
    const int error = last_socket_error();
    ::closesocket(s);
    return accept_error(errno_of(error) == ENOTCONN ? ECONNABORTED : error);
}

// ConnectEx wants a socket that is bound. 0, or an error number.
int bind_to_any(SOCKET s, int family) noexcept {
    sockaddr_storage any{};
    any.ss_family = static_cast<decltype(any.ss_family)>(family);
    const int size =
        family == AF_INET ? static_cast<int>(sizeof(sockaddr_in)) : static_cast<int>(sizeof(sockaddr_in6));
    if (::bind(s, reinterpret_cast<const sockaddr*>(&any), size) == 0) return 0;
    const int error = ::WSAGetLastError();
    return error == WSAEINVAL ? 0 : error_number(static_cast<DWORD>(error));  // it is bound already
}

}  // namespace

const socket_extensions& extensions() {
    static const socket_extensions loaded = load_extensions();
    return loaded;
}

// The socket is made in advance, so that a lack of sockets is told before there is a connection.
attempt iocp::accept(operation& op, bool may_wait) noexcept {
    if ((op.on->slot & is_associated) == 0) {
        op.result = accept_connection(op.on->fd);
        if (op.result != -EAGAIN) return attempt::done;
        return poll(op, afd_accept | afd_abort | afd_local_close, may_wait);
    }
    if (!may_wait) return attempt::would_block;
    const SOCKET listening = socket_of(op);
    SOCKET s = INVALID_SOCKET;
    if (const int error = make_socket_for(listening, s); error != 0) return failed(op, error);
    completion_request* const r = request_for(op, completion_request::purpose::transfer);
    if (r && !r->addresses) r->addresses = new (std::nothrow) char[room_for_addresses];
    if (!r || !r->addresses) {
        if (r) give_back(*r);
        ::closesocket(s);
        return failed(op, ENOMEM);
    }
    r->accepted = s;
    DWORD received = 0;
    const bool called = extensions().accept(listening, s, r->addresses, 0, room_for_address, room_for_address,
                                            &received, &r->overlapped) != FALSE;
    const DWORD error = called ? 0 : static_cast<DWORD>(::WSAGetLastError());
    const attempt made = submitted(op, *r, called, error);
    if (made == attempt::would_block) return made;
    if (called) {
        op.result = take_accepted(listening, s);
    } else {
        ::closesocket(s);
        op.result = accept_error(error_number(error));
    }
    return made;
}

// After its packet. A connection that came while the listening socket was being closed has no owner.
std::int64_t iocp::accepted(operation& op, completion_request& r) noexcept {
    const SOCKET s = std::exchange(r.accepted, INVALID_SOCKET);
    const auto status = static_cast<LONG>(r.overlapped.Internal);
    if (status >= 0 && op.on->demux) return take_accepted(socket_of(op), s);
    ::closesocket(s);
    return status >= 0 ? -ECANCELED : accept_error(error_number(windows_error_of(status)));
}

// ConnectEx is for TCP, and for sockets of this port. The others connect by the plain call, which does not
// wait, and a poll.
attempt iocp::connect(connect_operation& op, bool may_wait) noexcept {
    const SOCKET s = socket_of(op);
    constexpr ULONG ends = afd_send | afd_connect_failed | afd_abort | afd_local_close;
    if (op.stage == stage_connecting) {
        op.result = -pending_error(op.on->fd);
        return attempt::done;
    }
    const int family = op.address->sa_family;
    const auto size = static_cast<int>(op.address_size);
    constexpr int overlapped = is_stream | is_associated;
    if ((op.on->slot & overlapped) != overlapped || (family != AF_INET && family != AF_INET6)) {
        op.result = connect_call(op.on->fd, op.address, op.address_size);
        if (op.result != -EINPROGRESS) return attempt::done;
        return poll(op, ends, may_wait);
    }
    if (const int error = bind_to_any(s, family); error != 0) return failed(op, error);
    completion_request* const r = request_for(op, completion_request::purpose::transfer);
    if (!r) return failed(op, ENOMEM);
    const bool called =
        extensions().connect(s, op.address, size, nullptr, 0, nullptr, &r->overlapped) != FALSE;
    const attempt made = submitted(op, *r, called, called ? 0 : static_cast<DWORD>(::WSAGetLastError()));
    if (made == attempt::done && called) op.result = connected(op);
    return made;
}

// Without it, shutdown and getpeername do not know that it is connected.
std::int64_t iocp::connected(const operation& op) noexcept {
    (void)::setsockopt(socket_of(op), SOL_SOCKET, update_connect_context, nullptr, 0);
    return 0;
}

}  // namespace bight::detail
