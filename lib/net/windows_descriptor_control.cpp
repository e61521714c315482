// Windows passes no descriptors: a process that is to have another's handle is given it by DuplicateHandle or
// WSADuplicateSocket, which name the process.
#include "descriptor_control.hpp"

namespace bight::detail {

bool descriptor_control::offered() noexcept { return false; }
void descriptor_control::come_alone(native_handle, bool) noexcept {}
bool descriptor_control::is_refusal(int) noexcept { return false; }
void descriptor_control::make_room(std::size_t, std::size_t) noexcept { size_ = 0; }
void descriptor_control::put(const std::vector<int>&) noexcept {}
std::size_t descriptor_control::take(std::vector<owned_descriptor>&, std::size_t) noexcept { return 0; }

}  // namespace bight::detail
