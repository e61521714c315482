// pipe_read: moves bytes from a transport into a pipe of the kernel, for copy and relay.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>

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

}  // namespace bight::detail
