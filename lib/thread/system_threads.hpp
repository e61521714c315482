// system_threads: what systems do differently with threads.
#pragma once

#include <vector>

namespace bight::detail {

/// The processors that this process may use; empty if they are not known.
std::vector<int> usable_processors();
/// Keeps the calling thread to one of them. Throws std::system_error, where the system cannot, too.
void keep_to_processor(int number);
/// Names the calling thread, for debuggers; at most 15 bytes.
void name_thread(const char* name) noexcept;

}  // namespace bight::detail
