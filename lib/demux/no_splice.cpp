// For systems that cannot move bytes between a socket and a pipe within the kernel.
#include "splice_calls.hpp"

#include <cerrno>

namespace bight::detail {

bool has_splice() noexcept { return false; }
std::int64_t splice_from(native_handle, int, std::size_t) noexcept { return -ENOSYS; }
std::int64_t splice_to(native_handle, int, std::size_t) noexcept { return -ENOSYS; }
bool kernel_pipe::open(int) noexcept { return false; }
bool kernel_pipe::take(char*, std::size_t) noexcept { return false; }
void kernel_pipe::close() noexcept {}

}  // namespace bight::detail
