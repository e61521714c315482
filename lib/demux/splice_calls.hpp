// splice_calls: moves bytes between a socket and a pipe within the kernel.
#pragma once

#include "native_handle.hpp"

#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Whether this system can (Linux: splice(2)). False for good once a filter has refused the call.
bool has_splice() noexcept;

/// The number of bytes, 0 at the end of the stream, or -errno; -EAGAIN when nothing is there. The pipe must
/// be empty: a full one gives -EAGAIN, too. -ENOSYS, whatever the error was, when a filter refuses the call,
/// or this socket cannot be spliced.
std::int64_t splice_from(native_handle socket, int pipe, std::size_t most) noexcept;
/// The number of bytes, or -errno; -ENOSYS as for splice_from. Raises no signal.
std::int64_t splice_to(native_handle socket, int pipe, std::size_t size) noexcept;

/// A pipe that holds `room` bytes.
class kernel_pipe {
  public:
    kernel_pipe() noexcept = default;
    kernel_pipe(kernel_pipe&& other) noexcept { swap(other); }
    kernel_pipe& operator=(kernel_pipe&& other) noexcept {
        swap(other);
        return *this;
    }
    ~kernel_pipe() { close(); }
    void swap(kernel_pipe& other) noexcept {
        std::swap(ends_, other.ends_);
        std::swap(room_, other.room_);
    }

    /// False when the process has few descriptors left, say. Their numbers are `least` or more where they can
    /// be: select needs the low ones for sockets.
    bool open(int least) noexcept;
    void close() noexcept;
    /// Takes `size` bytes that are in it: false when they cannot be had.
    bool take(char* into, std::size_t size) noexcept;
    explicit operator bool() const noexcept { return ends_[0] >= 0; }
    int reading() const noexcept { return ends_[0]; }
    int writing() const noexcept { return ends_[1]; }
    std::size_t room() const noexcept { return room_; }

  private:
    int ends_[2] = {-1, -1};
    std::size_t room_ = 0;
};

}  // namespace detail
}  // namespace bight
