// pipe_read, pipe_write: move bytes between a transport and a pipe of the kernel, for copy and relay.
#pragma once

#include "write_in_turn.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <cstdint>

namespace bight::detail {

class kernel_pipe;

/// Awaits one read into a pipe, of as much as that holds; gives how many bytes. The pipe is given back to its
/// reactor while nothing comes. 0: the next is for a plain read, which gets the end of the stream, or what
/// cannot go through a pipe; without a pipe, none is to be had.
class [[nodiscard("co_await it"), gnu::warn_unused]] pipe_read final : public read_request,
                                                                       public awaiter_base<pipe_read> {
  public:
    pipe_read(transport& from, kernel_pipe& of_copy) noexcept
        : read_request(&from, mutable_buffer()), pipe(of_copy) {}
    std::size_t await_resume() {
        if (failed()) throw_read_error(error(), transport_if_any());
        return count;
    }

    kernel_pipe& pipe;  ///< empty, or none

  private:
    friend awaiter_base<pipe_read>;
    bool suspend(promise_base& p) noexcept;
};

/// Awaits one write of all of the `left` bytes that are in a pipe; gives how many still are there because the
/// system refuses the call: they are to be taken out, and written.
class [[nodiscard("co_await it"), gnu::warn_unused]] pipe_write final : public write_in_turn,
                                                                        public awaiter_base<pipe_write> {
  public:
    /// Adds to `moved` what it moves, as it goes.
    pipe_write(transport& to, int from_pipe, std::size_t size, std::uint64_t& moved) noexcept
        : write_in_turn(&to), pipe(from_pipe), left(size), moved_(moved) {}
    std::size_t await_resume() {
        write_in_turn::await_resume();
        return left;
    }

    /// `bytes` have gone.
    void took(std::size_t bytes) noexcept {
        left -= bytes;
        moved_ += bytes;
    }

    const int pipe;
    std::size_t left;

  private:
    friend awaiter_base<pipe_write>;
    bool start() noexcept override { return to().write_from_pipe(*this); }
    std::size_t size() const noexcept override { return left; }

    std::uint64_t& moved_;
};

}  // namespace bight::detail
