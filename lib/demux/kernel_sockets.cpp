// kernel_sockets: the socket calls of POSIX systems; those of Windows are in windows_sockets.cpp.
#include "socket_calls.hpp"

#include "datagram_settings.hpp"
#include "descriptor_calls.hpp"
#include "system_sockets.hpp"
#include "tool_annotations.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace bight::detail {

namespace {

int result_of(int returned) noexcept { return returned < 0 ? -errno : returned; }

const sockaddr* native(const address& a) noexcept { return static_cast<const sockaddr*>(a.native()); }
socklen_t native_size(const address& a) noexcept { return static_cast<socklen_t>(a.native_size()); }

int integer_option(int fd, int which) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, which, &value, &size) < 0 ? -errno : value;
}

int native_type(socket_type type) noexcept {
    return type == socket_type::datagram ? SOCK_DGRAM : SOCK_STREAM;
}

// Of a signed type on some systems.
std::uint64_t device_of(const struct stat& file) noexcept { return static_cast<std::uint64_t>(file.st_dev); }

// What anybody has sent before the socket had a peer. (The limit is for a peer that sends all the time.)
void discard_datagrams(int fd) noexcept {
    char byte = 0;
    for (int most = 100'000; most > 0; --most) {
        if (::recv(fd, &byte, sizeof byte, MSG_DONTWAIT) < 0 && errno != EINTR) break;
    }
}

class kernel_socket_calls final : public socket_calls {
  public:
    int open(int family, socket_type type) noexcept override {
        const int fd = system_sockets::open(family, native_type(type));
        if (fd >= 0 && type == socket_type::datagram) begin_datagrams(fd, family);
        return fd;
    }
    void close(int fd) noexcept override { ::close(fd); }

    int set(int fd, option which, bool on) noexcept override {
        const int value = on;
        const auto call = [&](int level, int name) {
            return result_of(::setsockopt(fd, level, name, &value, sizeof value));
        };
        switch (which) {
            case option::reuse_address:
            case option::listen_alone: return call(SOL_SOCKET, SO_REUSEADDR);
            case option::reuse_port: return call(SOL_SOCKET, SO_REUSEPORT);
            case option::only_ipv6: return call(IPPROTO_IPV6, IPV6_V6ONLY);
            case option::no_delay: return call(IPPROTO_TCP, TCP_NODELAY);
            case option::keep_alive: return call(SOL_SOCKET, SO_KEEPALIVE);
            case option::port_at_connect: return system_sockets::leave_port_to_connect(fd, on);
            case option::broadcast:
            case option::share_address:
            case option::tell_arrival:
            case option::tell_traffic_class:
            case option::tell_sender:
            case option::coalesce_received: return set_datagram_option(fd, which, on);
            case option::non_blocking: return result_of(::ioctl(fd, FIONBIO, &value));
            case option::abort_on_close: {
                const linger at_once{on, 0};
                return result_of(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
            }
        }
        return -EINVAL;
    }

    int set_number(int fd, number which, int value) noexcept override {
        const auto at = system_sockets::place_of(fd, which);
        if (at.name < 0) return -ENOPROTOOPT;
        if (which == number::dscp) value <<= 2;  // the other two bits are for congestion notification
        return result_of(::setsockopt(fd, at.level, at.name, &value, sizeof value));
    }
    int get_number(int fd, number which) noexcept override {
        if (which == number::reset_on_close) {
            linger at_close{};
            socklen_t size = sizeof at_close;
            if (::getsockopt(fd, SOL_SOCKET, SO_LINGER, &at_close, &size) < 0) return -errno;
            return at_close.l_onoff != 0 && at_close.l_linger == 0;
        }
        const auto at = system_sockets::place_of(fd, which);
        if (at.name < 0) return -ENOPROTOOPT;
        int value = 0;
        socklen_t size = sizeof value;
        if (::getsockopt(fd, at.level, at.name, &value, &size) < 0) return -errno;
        return which == number::dscp ? value >> 2 : value;
    }
    int set_device(int fd, std::string_view name) noexcept override {
        return system_sockets::set_device(fd, name);
    }
    interface_name device(int fd) noexcept override { return system_sockets::device(fd); }

    int bind(int fd, const address& to) noexcept override {
        return result_of(::bind(fd, native(to), native_size(to)));
    }
    int listen(int fd, int backlog) noexcept override { return result_of(::listen(fd, backlog)); }
    int connect_datagrams(int fd, const address& to) noexcept override {
        const int error = result_of(::connect(fd, native(to), native_size(to)));
        if (error >= 0) discard_datagrams(fd);
        return error;
    }
    int set_multicast(int fd, const multicast_options& options) noexcept override {
        return detail::set_multicast(fd, options);
    }
    int set_membership(int fd, const multicast_group& of, bool joins) noexcept override {
        return detail::set_membership(fd, of, joins);
    }
    bool can_segment(int fd) noexcept override { return can_segment_datagrams(fd); }
    int accept(int fd) noexcept override { return accept_connection(fd); }
    int family(int fd) noexcept override { return system_sockets::family(fd); }
    int listens(int fd) noexcept override { return system_sockets::listens(fd); }
    int is_stream(int fd) noexcept override {
        const int type = integer_option(fd, SO_TYPE);
        return type < 0 ? type : type == SOCK_STREAM;
    }
    int has_datagrams(int fd) noexcept override {
        const int type = integer_option(fd, SO_TYPE);
        return type < 0 ? type : type == SOCK_DGRAM || type == SOCK_RAW;
    }

    int is_blocking(int fd) noexcept override { return detail::is_blocking(fd); }
    int duplicate(int fd) noexcept override {
        const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
        return copy < 0 ? -errno : copy;
    }

    address local(int fd) noexcept override {
        sockaddr_storage a{};
        socklen_t size = sizeof a;
        if (fd < 0 || ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0) return {};
        return address::from_native(&a, size);
    }
    address peer(int fd) noexcept override {
        sockaddr_storage a{};
        socklen_t size = sizeof a;
        if (fd < 0 || ::getpeername(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0) return {};
        return address::from_native(&a, size);
    }

    int credentials(int fd, told_credentials& peer) override { return system_sockets::credentials(fd, peer); }
    int shutdown_write(int fd) noexcept override { return result_of(::shutdown(fd, SHUT_WR)); }

    int input_ended(int fd) noexcept override { return system_sockets::input_ended(fd); }
    peer_state state_of_peer(int fd) noexcept override { return system_sockets::state_of_peer(fd); }
    void reset(int fd) noexcept override { system_sockets::reset(fd); }
    std::size_t unsent(int fd) noexcept override { return system_sockets::unsent(fd); }
    std::size_t room(int fd) noexcept override { return system_sockets::room(fd); }

    void discard_input(int fd) noexcept override {
        for (int round = 0; round < 16; ++round) {
            const unreported null_is_meant;
            if (::recv(fd, nullptr, std::size_t{1} << 20, MSG_TRUNC | MSG_DONTWAIT) <= 0) break;
        }
        char bytes[4096];  // only TCP can discard input without a buffer
        for (int round = 0; round < 256; ++round) {
            if (::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0) break;
        }
    }

    occupant remove_stale(const address& at, socket_type type) override {
        const std::string path = at.path();
        struct stat found{};
        if (::lstat(path.c_str(), &found) < 0) return occupant::none;
        if (!S_ISSOCK(found.st_mode)) return occupant::no_socket;
        const int probe = open(AF_UNIX, type);
        if (probe < 0) return occupant::alive;
        const int connected = result_of(::connect(probe, native(at), native_size(at)));
        const bool dead =
            connected == -ECONNREFUSED || (connected == 0 && system_sockets::peer_has_died(probe));
        ::close(probe);
        if (connected == -ECONNREFUSED) ::unlink(path.c_str());
        return dead ? occupant::none : occupant::alive;
    }
    int lock_directory_of(const std::string& path) noexcept override {
        char directory_of[sizeof(sockaddr_un::sun_path) + PATH_MAX] = "";
        path.copy(directory_of, std::min(path.rfind('/') + 1, sizeof directory_of - 1));
        const int directory = ::open(directory_of, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) return -1;
        for (int tries = 25; tries > 0; --tries) {
            if (::flock(directory, LOCK_EX | LOCK_NB) == 0) return directory;
            if (errno != EWOULDBLOCK) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        ::close(directory);
        return -1;
    }
    void set_coming_mode(int fd, int mode) noexcept override { ::fchmod(fd, static_cast<mode_t>(mode)); }
    int set_mode(const address& at, int mode) override {
        return result_of(::chmod(at.path().c_str(), static_cast<mode_t>(mode)));
    }
    std::string full_path(const address& at) override {
        std::string path = at.path();
        if (path.front() == '/') return path;
        const std::unique_ptr<char, void (*)(void*)> here(::getcwd(nullptr, 0), &std::free);
        if (!here) throw std::system_error(errno, std::system_category(), "the working directory of " + path);
        return std::string(here.get()) + "/" + path;
    }
    socket_file file_at(std::string path) noexcept override {
        struct stat found{};
        if (::lstat(path.c_str(), &found) < 0) return {};
        return {std::move(path), device_of(found), std::uint64_t{found.st_ino}};
    }
    void remove(const socket_file& file) noexcept override {
        const int directory =
            lock_directory_of(file.path);  // so that no successor appears between the check and the removal
        struct stat found{};
        if (::lstat(file.path.c_str(), &found) == 0 && device_of(found) == file.device &&
            found.st_ino == file.inode) {
            ::unlink(file.path.c_str());
        }
        if (directory >= 0) ::close(directory);
    }

    int open_reserve() noexcept override { return result_of(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
};

}  // namespace

socket_calls& kernel_sockets() noexcept {
    static kernel_socket_calls the_kernel;
    return the_kernel;
}

}  // namespace bight::detail
