// An address that answers nothing.
#pragma once

#include "support/connections.hpp"

#include <bight/io/address.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace test {

/// A listener that accepts nothing and whose backlog is full: further connections get no answer.
class black_hole {
  public:
    explicit black_hole(const std::string& ip = "127.0.0.1", std::uint16_t port = 0)
        : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
#ifdef _WIN32
        // Windows refuses what a full backlog has no room for, and answers nobody in this mode.
        const int on = 1;
        (void)::setsockopt(listening_.get(), SOL_SOCKET, SO_CONDITIONAL_ACCEPT, &on, sizeof on);
#endif
        const auto wanted = bight::address::from_ip(ip, port);
        sockaddr_storage bound{};
        socklen_t size = sizeof bound;
        if (::bind(listening_.get(), static_cast<const sockaddr*>(wanted.native()),
                   static_cast<socklen_t>(wanted.native_size())) < 0 ||
            ::listen(listening_.get(), 0) < 0 ||
            ::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&bound), &size) < 0) {
            throw std::system_error(errno, std::system_category(), "black hole");
        }
        where_ = bight::address::from_native(&bound, static_cast<std::size_t>(size));
        for (int i = 0; i < 4; ++i) {
            fill_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            (void)::connect(fill_.back().get(), static_cast<const sockaddr*>(where_.native()),
                            static_cast<socklen_t>(where_.native_size()));
        }
    }
    std::string endpoint() const { return endpoint_to(where_); }

  private:
    raw_socket listening_;
    bight::address where_;
    std::vector<raw_socket> fill_;
};

}  // namespace test
