// A process of Windows: it is never forked, and no socket gets the number of a standard stream.
#include "process.hpp"
#include "standard_descriptors.hpp"

#include <windows.h>

namespace bight::detail {

unsigned this_process() noexcept { return 1; }

std::intmax_t process_number() noexcept { return static_cast<std::intmax_t>(::GetCurrentProcessId()); }

fork_watch::fork_watch(fork_aware& of) noexcept : of_(of) {}
void fork_watch::end() noexcept {}

void occupy_standard_descriptors() noexcept {}

}  // namespace bight::detail
