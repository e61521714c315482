// The sockets of Windows: the calls of kernel_sockets, and what operations and descriptors need.
#include "windows_sockets.hpp"
#include "datagram_settings.hpp"
#include "descriptor_calls.hpp"
#include "operation.hpp"
#include "socket_calls.hpp"
#include "stream_calls.hpp"

#include "../core/system_error.hpp"
#include "../core/windows_text.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>

#include <windows.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace bight::detail {

namespace {

// Options that older headers do not have (ws2ipdef.h).
constexpr int tcp_keep_alive_idle = 3;
constexpr int tcp_time_limit = 14;  // TCP_MAXRTMS
constexpr int tcp_keep_alive_count = 16;
constexpr int tcp_keep_alive_interval = 17;

// What SIO_TCP_INFO gives in its version 0 (mstcpip.h), since Windows 10 1703.
constexpr DWORD tcp_state_query = 0xd8000027;
enum class tcp_state : int {
    closed,
    listen,
    syn_sent,
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
    time_wait
};
struct tcp_state_info {
    tcp_state state;
    ULONG segment;
    ULONG64 connection_ms;
    BOOLEAN timestamps;
    ULONG round_trip_us;
    ULONG least_round_trip_us;
    ULONG bytes_in_flight;
    ULONG windows[4];  // congestion, send, receive, receive buffer
    ULONG64 bytes_out;
    ULONG64 bytes_in;
    ULONG events[5];
    UCHAR syn_sent_again;
};

SOCKET socket_of(native_handle fd) noexcept { return static_cast<SOCKET>(fd); }
HANDLE any_handle(native_handle fd) noexcept { return reinterpret_cast<HANDLE>(fd); }

int result_of(int returned) noexcept { return returned == SOCKET_ERROR ? -last_socket_error() : returned; }

const sockaddr* native(const address& a) noexcept { return static_cast<const sockaddr*>(a.native()); }
int native_size(const address& a) noexcept { return static_cast<int>(a.native_size()); }

int set_option(native_handle fd, int level, int name, int value) noexcept {
    return result_of(
        ::setsockopt(socket_of(fd), level, name, reinterpret_cast<const char*>(&value), sizeof value));
}
// The value, or a negative error number. Some flags are written as one byte.
int integer_option(native_handle fd, int level, int name) noexcept {
    int value = 0;
    int size = sizeof value;
    const int result = ::getsockopt(socket_of(fd), level, name, reinterpret_cast<char*>(&value), &size);
    return result == SOCKET_ERROR ? -last_socket_error() : value;
}

int make_non_blocking(SOCKET s, bool on) noexcept {
    u_long value = on;
    return result_of(::ioctlsocket(s, static_cast<long>(FIONBIO), &value));
}

void keep_from_children(SOCKET s) noexcept {
    ::SetHandleInformation(reinterpret_cast<HANDLE>(s), HANDLE_FLAG_INHERIT, 0);
}

// Made non-blocking, or closed.
int own(SOCKET s) noexcept {
    if (s == INVALID_SOCKET) return -last_socket_error();
    const int error = make_non_blocking(s, true);
    if (error < 0) ::closesocket(s);
    return error < 0 ? error : static_cast<int>(s);
}

int family_of(native_handle fd) noexcept {
    WSAPROTOCOL_INFOW info{};
    int size = sizeof info;
    const int result =
        ::getsockopt(socket_of(fd), SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&info), &size);
    return result == SOCKET_ERROR ? -last_socket_error() : info.iAddressFamily;
}

constexpr DWORD peer_process = 0x58000100;  // SIO_AF_UNIX_GETPEERPID of afunix.h

// False before Windows 10 1703, in Wine, and of a socket that is not TCP.
bool ask_tcp(native_handle fd, tcp_state_info& info) noexcept {
    DWORD version = 0;
    DWORD size = 0;
    return ::WSAIoctl(socket_of(fd), tcp_state_query, &version, sizeof version, &info, sizeof info, &size,
                      nullptr, nullptr) != SOCKET_ERROR;
}

// Whether calls tell that a datagram was refused (SIO_UDP_CONNRESET of mstcpip.h): by default Windows tells
// also those that have no peer, which cannot know which of their datagrams it was.
void tell_refusals(native_handle fd, bool on) noexcept {
    constexpr DWORD connection_reset = 0x9800000c;
    BOOL value = on;
    DWORD size = 0;
    (void)::WSAIoctl(socket_of(fd), connection_reset, &value, sizeof value, nullptr, 0, &size, nullptr,
                     nullptr);
}

// As in kernel_sockets.cpp. A datagram that is cut off is an error here.
void discard_datagrams(native_handle fd) noexcept {
    char byte = 0;
    for (int most = 100'000; most > 0; --most) {
        if (::recv(socket_of(fd), &byte, sizeof byte, 0) < 0 && errno_of(last_socket_error()) != EMSGSIZE)
            break;
    }
}

// Where setsockopt finds an option of a number; the name is negative where Windows has none.
struct option_place {
    int level;
    int name;
};
option_place place_of_number(native_handle fd, socket_calls::number which) noexcept {
    using number = socket_calls::number;
    switch (which) {
        case number::no_delay: return {IPPROTO_TCP, TCP_NODELAY};
        case number::keep_alive: return {SOL_SOCKET, SO_KEEPALIVE};
        case number::keep_alive_idle: return {IPPROTO_TCP, tcp_keep_alive_idle};
        case number::keep_alive_interval: return {IPPROTO_TCP, tcp_keep_alive_interval};
        case number::keep_alive_count: return {IPPROTO_TCP, tcp_keep_alive_count};
        case number::user_timeout: return {IPPROTO_TCP, tcp_time_limit};
        case number::send_buffer: return {SOL_SOCKET, SO_SNDBUF};
        case number::receive_buffer: return {SOL_SOCKET, SO_RCVBUF};
        case number::dscp:
            return family_of(fd) == AF_INET6 ? option_place{IPPROTO_IPV6, IPV6_TCLASS}
                                             : option_place{IPPROTO_IP, IP_TOS};
        case number::reset_on_close: break;
    }
    return {SOL_SOCKET, SO_LINGER};
}

// A path as the calls for files take it; empty when it is no UTF-8, or too long.
class wide_path {
  public:
    explicit wide_path(const std::string& path) noexcept {
        const int size = ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.c_str(), -1, text_,
                                               static_cast<int>(std::size(text_)));
        if (size == 0) text_[0] = L'\0';
    }
    wide_path(const wide_path&) = delete;
    wide_path& operator=(const wide_path&) = delete;
    const wchar_t* get() const noexcept { return text_; }

  private:
    wchar_t text_[1024] = {};
};

// A file, to be asked what it is: 0 for none.
HANDLE open_to_ask(const wchar_t* path) noexcept {
    const DWORD others_may = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    const DWORD how = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
    const HANDLE file =
        ::CreateFileW(path, FILE_READ_ATTRIBUTES, others_may, nullptr, OPEN_EXISTING, how, nullptr);
    return file == INVALID_HANDLE_VALUE ? nullptr : file;
}

// The volume and the number of a file; false when there is none.
bool identify(const wchar_t* path, socket_file& file) noexcept {
    const HANDLE open = open_to_ask(path);
    if (!open) return false;
    BY_HANDLE_FILE_INFORMATION about{};
    const bool told = ::GetFileInformationByHandle(open, &about) != 0;
    ::CloseHandle(open);
    file.device = about.dwVolumeSerialNumber;
    file.inode = std::uint64_t{about.nFileIndexHigh} << 32 | about.nFileIndexLow;
    return told;
}

class windows_socket_calls final : public socket_calls {
  public:
    int open(int family, socket_type type) noexcept override {
        const bool datagrams = type == socket_type::datagram;
        const int fd = own(::WSASocketW(family, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0, nullptr, 0,
                                        WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT));
        if (fd >= 0 && datagrams) tell_refusals(fd, false);
        return fd;
    }
    void close(native_handle fd) noexcept override { close_descriptor(fd); }

    int set(native_handle fd, option which, bool on) noexcept override {
        switch (which) {
            case option::reuse_address: return set_option(fd, SOL_SOCKET, SO_REUSEADDR, on);
            // SO_REUSEADDR would let another program listen at the same address. Connections that have ended
            // keep nobody from it.
            case option::listen_alone: return set_option(fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, on);
            case option::reuse_port: return -ENOPROTOOPT;
            case option::only_ipv6: return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, on);
            case option::no_delay: return set_option(fd, IPPROTO_TCP, TCP_NODELAY, on);
            case option::keep_alive: return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, on);
            case option::port_at_connect: return -ENOPROTOOPT;
            case option::broadcast:
            case option::share_address:
            case option::tell_arrival:
            case option::tell_traffic_class:
            case option::tell_sender:
            case option::coalesce_received: return set_datagram_option(fd, which, on);
            case option::non_blocking: return make_non_blocking(socket_of(fd), on);
            case option::abort_on_close: {
                const LINGER at_once{on, 0};
                return result_of(::setsockopt(socket_of(fd), SOL_SOCKET, SO_LINGER,
                                              reinterpret_cast<const char*>(&at_once), sizeof at_once));
            }
        }
        return -EINVAL;
    }

    int set_number(native_handle fd, number which, int value) noexcept override {
        // 0 asks for the default, which Windows gives no way back to.
        if (which == number::user_timeout && value == 0) return -ENOPROTOOPT;
        if (which == number::dscp) value <<= 2;  // the other two bits are for congestion notification
        const auto at = place_of_number(fd, which);
        return set_option(fd, at.level, at.name, value);
    }
    int get_number(native_handle fd, number which) noexcept override {
        if (which == number::reset_on_close) {
            LINGER at_close{};
            int size = sizeof at_close;
            if (::getsockopt(socket_of(fd), SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&at_close),
                             &size) == SOCKET_ERROR)
                return -last_socket_error();
            return at_close.l_onoff != 0 && at_close.l_linger == 0;
        }
        const auto at = place_of_number(fd, which);
        const int value = integer_option(fd, at.level, at.name);
        return which == number::dscp && value >= 0 ? value >> 2 : value;
    }
    // Windows can only choose the interface that packets leave by.
    int set_device(native_handle, std::string_view) noexcept override { return -ENOPROTOOPT; }
    interface_name device(native_handle) noexcept override { return {}; }

    int bind(native_handle fd, const address& to) noexcept override {
        return result_of(::bind(socket_of(fd), native(to), native_size(to)));
    }
    int listen(native_handle fd, int backlog) noexcept override {
        // A number above 200 is taken as 200, unless it is said in this form.
        if (backlog > 200 && backlog != SOMAXCONN) backlog = -backlog;
        return result_of(::listen(socket_of(fd), backlog));
    }
    int connect_datagrams(native_handle fd, const address& to) noexcept override {
        const int error = result_of(::connect(socket_of(fd), native(to), native_size(to)));
        if (error >= 0) {
            discard_datagrams(fd);
            tell_refusals(fd, true);
        }
        return error;
    }
    int set_multicast(native_handle fd, const multicast_options& options) noexcept override {
        return detail::set_multicast(fd, options);
    }
    int set_membership(native_handle fd, const multicast_group& of, bool joins) noexcept override {
        return detail::set_membership(fd, of, joins);
    }
    bool can_segment(native_handle fd) noexcept override { return can_segment_datagrams(fd); }
    int accept(native_handle fd) noexcept override { return accept_connection(fd); }
    int family(native_handle fd) noexcept override { return family_of(fd); }
    int listens(native_handle fd) noexcept override {
        const int value = integer_option(fd, SOL_SOCKET, SO_ACCEPTCONN);
        return value > 0 ? 1 : value;
    }
    int is_stream(native_handle fd) noexcept override {
        const int type = integer_option(fd, SOL_SOCKET, SO_TYPE);
        return type < 0 ? type : type == SOCK_STREAM;
    }
    int has_datagrams(native_handle fd) noexcept override {
        const int type = integer_option(fd, SOL_SOCKET, SO_TYPE);
        return type < 0 ? type : type == SOCK_DGRAM || type == SOCK_RAW;
    }
    int is_blocking(native_handle fd) noexcept override { return detail::is_blocking(fd); }

    int duplicate(native_handle fd) noexcept override {
        WSAPROTOCOL_INFOW info{};
        if (::WSADuplicateSocketW(socket_of(fd), ::GetCurrentProcessId(), &info) == SOCKET_ERROR)
            return -last_socket_error();
        return own(::WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                                WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT));
    }

    address local(native_handle fd) noexcept override {
        sockaddr_storage a{};
        int size = sizeof a;
        if (fd < 0 || ::getsockname(socket_of(fd), reinterpret_cast<sockaddr*>(&a), &size) == SOCKET_ERROR)
            return {};
        return address::from_native(&a, static_cast<std::size_t>(size));
    }
    address peer(native_handle fd) noexcept override {
        sockaddr_storage a{};
        int size = sizeof a;
        if (fd < 0 || ::getpeername(socket_of(fd), reinterpret_cast<sockaddr*>(&a), &size) == SOCKET_ERROR)
            return {};
        return address::from_native(&a, static_cast<std::size_t>(size));
    }

    int credentials(native_handle fd, told_credentials& peer) override {
        ULONG process = 0;
        DWORD size = 0;
        if (::WSAIoctl(socket_of(fd), peer_process, nullptr, 0, &process, sizeof process, &size, nullptr,
                       nullptr) != 0) {
            return result_of(SOCKET_ERROR);
        }
        peer.process = process;
        return 0;
    }
    int shutdown_write(native_handle fd) noexcept override {
        return result_of(::shutdown(socket_of(fd), SD_SEND));
    }

    // Windows tells the error of a connection to every call, and 0 bytes mean the end. Wine tells it to the
    // first one, as Linux does. A send of no bytes tells them apart.
    int input_ended(native_handle fd) noexcept override {
        if (::send(socket_of(fd), "", 0, 0) == 0) return 1;
        const int error = last_socket_error();
        if (error == EAGAIN || error == EINTR) return 1;
        return errno_of(error) == EPIPE ? 0 : -error;
    }

    // Behind unread bytes only the state of the connection tells the end; Wine does not tell that, and its
    // poll sees no end there either.
    peer_state state_of_peer(native_handle fd) noexcept override {
        tcp_state_info info{};
        if (ask_tcp(fd, info)) {
            switch (info.state) {
                case tcp_state::close_wait:
                case tcp_state::closing:
                case tcp_state::last_ack:
                case tcp_state::time_wait: return peer_state::ended;
                case tcp_state::closed: break;
                default: return peer_state::there;
            }
        }
        char byte = 0;
        const int got = ::recv(socket_of(fd), &byte, 1, MSG_PEEK);
        if (got == 0) return input_ended(fd) < 0 ? peer_state::has_failed : peer_state::ended;
        if (got < 0) return last_socket_error() == EAGAIN ? peer_state::there : peer_state::has_failed;
        WSAPOLLFD p{socket_of(fd), POLLRDNORM, 0};
        if (::WSAPoll(&p, 1, 0) <= 0) return peer_state::there;
        if ((p.revents & POLLERR) != 0) return peer_state::has_failed;
        return (p.revents & POLLHUP) != 0 ? peer_state::ended : peer_state::there;
    }

    // The socket is closed next, which sends the reset.
    void reset(native_handle fd) noexcept override { (void)set(fd, option::abort_on_close, true); }

    // Asked after the end was sent. An end that was not acknowledged has what precedes it before it, so that
    // it counts as more than itself. Where there is no answer, closesocket still sends what there is.
    std::size_t unsent(native_handle fd) noexcept override {
        tcp_state_info info{};
        if (!ask_tcp(fd, info)) return 0;
        switch (info.state) {
            case tcp_state::fin_wait_1:
            case tcp_state::closing:
            case tcp_state::last_ack: return std::max<std::size_t>(info.bytes_in_flight, 2);
            case tcp_state::established:
            case tcp_state::close_wait: return info.bytes_in_flight;
            default: return 0;
        }
    }
    // A send that is underway holds what it sends, whatever there is room for.
    std::size_t room(native_handle) noexcept override { return std::size_t(-1); }

    void discard_input(native_handle fd) noexcept override {
        char bytes[std::size_t{16} << 10];
        for (int round = 0; round < 1024; ++round) {
            if (::recv(socket_of(fd), bytes, sizeof bytes, 0) <= 0) break;
        }
    }

    // (A server whose backlog is full refuses, too, as if nobody listened.)
    occupant remove_stale(const address& at, socket_type type) override {
        const wide_path path(at.path());
        WIN32_FIND_DATAW found{};
        const HANDLE search = ::FindFirstFileW(path.get(), &found);
        if (search == INVALID_HANDLE_VALUE) return occupant::none;
        ::FindClose(search);
        if ((found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0 ||
            found.dwReserved0 != IO_REPARSE_TAG_AF_UNIX)
            return occupant::no_socket;
        const int probe = open(AF_UNIX, type);
        if (probe < 0) return occupant::alive;
        (void)set(probe, option::non_blocking, false);
        const int connected = result_of(::connect(socket_of(probe), native(at), native_size(at)));
        const bool dead = errno_of(-connected) == ECONNREFUSED;
        close(probe);
        if (dead) ::DeleteFileW(path.get());
        return dead ? occupant::none : occupant::alive;
    }
    // A directory cannot be locked, so a file in it is, which goes with its handle.
    int lock_directory_of(const std::string& path) noexcept override {
        char name[1024] = "";
        constexpr std::string_view lock = ".bight-lock";
        const std::size_t directory = path.find_last_of("/\\") + 1;
        if (directory + lock.size() >= sizeof name) return -1;
        lock.copy(name + path.copy(name, directory), lock.size());
        wchar_t wide[1024] = {};
        if (::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, wide,
                                  static_cast<int>(std::size(wide))) == 0)
            return -1;
        for (int tries = 25; tries > 0; --tries) {
            const HANDLE file = ::CreateFileW(
                wide, GENERIC_WRITE, 0, nullptr, OPEN_ALWAYS,
                FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
            if (file != INVALID_HANDLE_VALUE) return static_cast<int>(reinterpret_cast<std::intptr_t>(file));
            if (::GetLastError() != ERROR_SHARING_VIOLATION && ::GetLastError() != ERROR_ACCESS_DENIED) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return -1;
    }
    // Windows has no such modes; set_mode says so.
    void set_coming_mode(native_handle, int) noexcept override {}
    int set_mode(const address&, int) noexcept override { return -EOPNOTSUPP; }

    std::string full_path(const address& at) override {
        const std::string path = at.path();
        const wide_path wide(path);
        wchar_t full[1024];
        const DWORD length =
            ::GetFullPathNameW(wide.get(), static_cast<DWORD>(std::size(full)), full, nullptr);
        if (length == 0 || length >= std::size(full)) {
            throw std::system_error(system_error_code(length == 0 ? last_error() : ENAMETOOLONG),
                                    "the full path of " + path);
        }
        return to_utf8({full, length});
    }
    socket_file file_at(std::string path) noexcept override {
        socket_file file;
        const wide_path wide(path);
        if (!identify(wide.get(), file)) return {};
        file.path = std::move(path);
        return file;
    }
    void remove(const socket_file& file) noexcept override {
        const int directory =
            lock_directory_of(file.path);  // so that no successor appears between the check and the removal
        const wide_path wide(file.path);
        socket_file found;
        if (identify(wide.get(), found) && found.device == file.device && found.inode == file.inode)
            ::DeleteFileW(wide.get());
        if (directory >= 0) close(directory);
    }

    int open_reserve() noexcept override { return open(AF_INET, socket_type::stream); }
};

// Begun before anything else is called, and never ended.
int startup_error() noexcept {
    static const int error = [] {
        WSADATA about;
        return ::WSAStartup(MAKEWORD(2, 2), &about);
    }();
    return error;
}

// For addresses, which need the library, too, in programs that make no socket.
const int started_with_the_program = startup_error();

}  // namespace

void start_windows_sockets() {
    (void)started_with_the_program;
    const int error = startup_error();
    if (error != 0) {
        throw std::system_error(system_error_code(error_number(static_cast<unsigned long>(error))),
                                "WSAStartup");
    }
}

socket_calls& kernel_sockets() noexcept {
    static windows_socket_calls the_system;
    (void)startup_error();  // if it failed, each call says so
    return the_system;
}

// descriptor_calls.hpp

void close_descriptor(native_handle fd) noexcept {
    if (::closesocket(socket_of(fd)) == SOCKET_ERROR && ::WSAGetLastError() == WSAENOTSOCK)
        ::CloseHandle(any_handle(fd));
}

// What accept gives can be inherited, and has the mode and the events of the socket that listens.
int accept_connection(native_handle listening) noexcept {
    const SOCKET s = ::accept(socket_of(listening), nullptr, nullptr);
    if (s == INVALID_SOCKET) return -last_socket_error();
    keep_from_children(s);
    ::WSAEventSelect(s, nullptr, 0);
    return own(s);
}

int make_ours(native_handle fd) noexcept {
    keep_from_children(socket_of(fd));
    return make_non_blocking(socket_of(fd), true);
}

void keep_from_signals(native_handle) noexcept {}

int is_blocking(native_handle fd) noexcept {
    const int type = integer_option(fd, SOL_SOCKET, SO_TYPE);
    if (type >= 0) return 0;
    DWORD flags = 0;  // a handle that is no socket has no such mode
    return ::GetHandleInformation(any_handle(fd), &flags) ? 0 : type;
}

int set_non_blocking(native_handle fd) noexcept { return make_non_blocking(socket_of(fd), true); }
void set_blocking(native_handle fd) noexcept { (void)make_non_blocking(socket_of(fd), false); }
void keep_non_blocking(descriptor&) noexcept {}

// stream_calls.hpp

std::ptrdiff_t send_pieces_call(native_handle fd, const const_buffer* pieces, std::size_t count) noexcept {
    WSABUF parts[pieces_of_a_call];
    const std::size_t used = std::min(count, pieces_of_a_call);
    for (std::size_t i = 0; i < used; ++i) {
        parts[i].buf = const_cast<char*>(static_cast<const char*>(pieces[i].data));
        parts[i].len = static_cast<ULONG>(pieces[i].size);
    }
    DWORD sent = 0;
    const int result = ::WSASend(socket_of(fd), parts, static_cast<DWORD>(used), &sent, 0, nullptr, nullptr);
    return result == SOCKET_ERROR ? -1 : static_cast<std::ptrdiff_t>(sent);
}

int connect_call(native_handle fd, const sockaddr* to, socklen_t size) noexcept {
    const int result = result_of(::connect(socket_of(fd), to, size));
    return result == -EAGAIN ? -EINPROGRESS : result;
}

int poll_call(native_handle fd, bool to_read) noexcept {
    WSAPOLLFD p{socket_of(fd), static_cast<short>(to_read ? POLLRDNORM : POLLWRNORM), 0};
    const int got = ::WSAPoll(&p, 1, 0);
    const int error = got == SOCKET_ERROR ? last_socket_error() : (p.revents & POLLNVAL) != 0 ? ENOTSOCK : 0;
    // The peer's end is told whatever is asked for (POLLHUP), and makes no room; the end of the connection
    // makes a send fail.
    if (got > 0 && !to_read && (p.revents & (POLLWRNORM | POLLERR)) == 0 && error == 0) {
        const bool open = ::send(socket_of(fd), "", 0, 0) == 0 || errno_of(last_socket_error()) == EAGAIN;
        return open ? 0 : 1;
    }
    if (error == 0) return got;
    // A handle that is no socket is ready when a wait for it would end.
    if (errno_of(error) != ENOTSOCK || !to_read) return -error;
    const DWORD answer = ::WaitForSingleObject(any_handle(fd), 0);
    return answer == WAIT_FAILED ? -last_error() : answer == WAIT_OBJECT_0 ? 1 : 0;
}

int pending_error(native_handle fd) noexcept {
    const int error = integer_option(fd, SOL_SOCKET, SO_ERROR);
    return error < 0 ? -error : error == 0 ? 0 : error_number(static_cast<unsigned long>(error));
}

}  // namespace bight::detail
