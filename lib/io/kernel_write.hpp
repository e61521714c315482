// kernel_write: a write of bytes that the kernel has, for copy, relay and send_file.
#pragma once

#include "write_in_turn.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <cstdint>

namespace bight::detail {

/// Awaits one write of `left` bytes, which go from where they are to the socket without passing through the
/// process; gives how many are still there because they do not go that way: they are to be read, and written.
class [[nodiscard("co_await it"), gnu::warn_unused]] kernel_write : public write_in_turn,
                                                                    public awaiter_base<kernel_write> {
  public:
    std::size_t await_resume() {
        write_in_turn::await_resume();
        return left;
    }

    /// Moves some of them: how many, or a negative error number; -EAGAIN when the socket has no room, -ENOSYS
    /// when they do not go that way.
    virtual std::int64_t move_to(int socket) noexcept = 0;
    /// Whether -ENOSYS is for whatever goes to this socket, from now on.
    virtual bool socket_refuses() const noexcept = 0;

    /// `bytes` have gone.
    virtual void took(std::size_t bytes) noexcept {
        left -= bytes;
        moved_ += bytes;
    }

    std::size_t left;

  protected:
    /// Adds to `moved` what it moves, as it goes.
    kernel_write(transport& to, std::size_t size, std::uint64_t& moved,
                 write_request* part_of = nullptr) noexcept
        : write_in_turn(&to, part_of), left(size), moved_(moved) {}
    ~kernel_write() = default;

  private:
    friend awaiter_base<kernel_write>;
    bool start() noexcept override { return to().write_in_kernel(*this); }
    std::size_t size() const noexcept override { return left; }

    std::uint64_t& moved_;
};

}  // namespace bight::detail
