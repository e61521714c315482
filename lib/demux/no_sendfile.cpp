// For systems where bight sends files through memory.
#include "sendfile_calls.hpp"

#include <cerrno>

namespace bight::detail {

bool has_sendfile() noexcept { return false; }
std::int64_t send_from_file(native_handle, native_handle, std::uint64_t, std::size_t) noexcept {
    return -ENOSYS;
}
bool is_at_hand(native_handle, std::uint64_t, std::size_t) noexcept { return false; }

}  // namespace bight::detail
