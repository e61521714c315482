// owned_descriptor: a descriptor that is closed when its owner goes.
#pragma once

#include <bight/core/export.hpp>
#include <bight/net/endpoint.hpp>

#include <utility>

namespace BIGHT_EXPORT bight {

/// Owns one open descriptor, such as one that came over a Unix socket, and closes it when it is destroyed.
/// Move-only. Closing is all that it does: a connection is not shut down by that, and lives on as long as
/// anybody else has a descriptor of it.
///
/// Thread: any, one at a time; that of a simulated host, its host's.
class [[nodiscard]] owned_descriptor {
  public:
    owned_descriptor() noexcept = default;
    /// Takes over `fd`; -1: none.
    explicit owned_descriptor(int fd) noexcept : fd_(fd) {}
    owned_descriptor(const owned_descriptor&) = delete;  // it has one owner: std::move(d), or d.get()
    owned_descriptor(owned_descriptor&& other) noexcept : fd_(other.release()) {}
    owned_descriptor& operator=(owned_descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = other.release();
        }
        return *this;
    }
    ~owned_descriptor() { reset(); }

    /// False when there is none.
    explicit operator bool() const noexcept { return fd_ >= 0; }
    /// The descriptor, which stays owned; -1 when there is none.
    int get() const noexcept { return fd_; }
    /// Gives it up: it is the caller's to close.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    /// Closes it now.
    void reset() noexcept;

    /// The endpoint fd:N, for connect (a connected stream socket), listen (one that listens) and
    /// datagram_socket. They duplicate the descriptor, so this one may go afterwards.
    endpoint as_endpoint() const {
        endpoint where;
        where.kind = endpoint::kind_type::descriptor;
        where.descriptor = fd_;
        return where;
    }

  private:
    int fd_ = -1;
};

}  // namespace bight
