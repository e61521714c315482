// kept_address: the address of a TCP peer, in little room.
#pragma once

#include "../io/socket_headers.hpp"

#include <bight/io/address.hpp>

#include <cstring>
#include <memory>

namespace bight::detail {

/// An IPv4 address is in the object itself, and an IPv6 one, of twice its size, in memory of its own: there
/// may be a million of these objects.
class kept_address {
  public:
    kept_address() noexcept = default;
    /// Throws std::bad_alloc. Of another family nothing is kept.
    explicit kept_address(const address& of) {
        if (of.native_family() == AF_INET) {
            sockaddr_in from{};
            std::memcpy(&from, of.native(), sizeof from);
            ipv4_ = from.sin_addr;
            ipv4_port_ = from.sin_port;
        } else if (of.native_family() == AF_INET6) {
            ipv6_ = std::make_unique<sockaddr_in6>();
            std::memcpy(ipv6_.get(), of.native(), sizeof *ipv6_);
        }
    }

    /// Empty when nothing was kept.
    address get() const noexcept {
        if (ipv6_) return address::from_native(ipv6_.get(), sizeof *ipv6_);
        if (ipv4_port_ == 0) return {};  // of no connection
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr = ipv4_;
        to.sin_port = ipv4_port_;
        return address::from_native(&to, sizeof to);
    }

  private:
    std::unique_ptr<sockaddr_in6> ipv6_;
    in_addr ipv4_{};
    decltype(sockaddr_in::sin_port) ipv4_port_ = 0;
};

}  // namespace bight::detail
