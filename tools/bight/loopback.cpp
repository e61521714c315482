// Whether sockets of this machine can be bound, and connected to, by plain calls.
#include "this_machine.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace doctor {

namespace {

constexpr int patience = 2000;  // milliseconds, for a connection within this machine

class plain_socket {
  public:
    explicit plain_socket(int family)
        : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), error_(fd_ < 0 ? errno : 0) {}
    plain_socket(const plain_socket&) = delete;
    plain_socket& operator=(const plain_socket&) = delete;
    ~plain_socket() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    int error() const { return error_; }

  private:
    int fd_;
    int error_;
};

// An address with any port, in the form of socket calls.
struct socket_address {
    sockaddr_storage bytes{};
    socklen_t size = 0;

    explicit socket_address(const std::string& ip) {
        auto& six = reinterpret_cast<sockaddr_in6&>(bytes);
        auto& four = reinterpret_cast<sockaddr_in&>(bytes);
        if (::inet_pton(AF_INET6, ip.c_str(), &six.sin6_addr) == 1) {
            six.sin6_family = AF_INET6;
            size = sizeof six;
        } else if (::inet_pton(AF_INET, ip.c_str(), &four.sin_addr) == 1) {
            four.sin_family = AF_INET;
            size = sizeof four;
        }
    }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
    int family() const { return bytes.ss_family; }
};

int bind_to(socket_address& where, const plain_socket& s) {
    if (s.error() != 0) return s.error();
    return ::bind(s.get(), where.get(), where.size) < 0 ? errno : 0;
}

int outcome_of_connect(int fd) {
    pollfd waits{fd, POLLOUT, 0};
    const int ready = ::poll(&waits, 1, patience);
    if (ready < 0) return errno;
    if (ready == 0) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

}  // namespace

int this_machine::bind(const std::string& ip) const {
    socket_address where(ip);
    if (where.size == 0) return EINVAL;
    return bind_to(where, plain_socket(where.family()));
}

int this_machine::connect(const std::string& ip) const {
    socket_address where(ip);
    if (where.size == 0) return EINVAL;
    const plain_socket server(where.family());
    if (const int error = bind_to(where, server); error != 0) return error;
    const plain_socket client(where.family());
    if (client.error() != 0) return client.error();
    if (::listen(server.get(), 1) < 0 || ::getsockname(server.get(), where.get(), &where.size) < 0)
        return errno;
    if (::connect(client.get(), where.get(), where.size) == 0) return 0;
    return errno == EINPROGRESS ? outcome_of_connect(client.get()) : errno;
}

}  // namespace doctor
