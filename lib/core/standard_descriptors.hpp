// occupy_standard_descriptors: keeps the descriptors 0, 1 and 2 from being used for sockets.
#pragma once

namespace bight::detail {

/// A program may be started with some of the descriptors 0, 1 and 2 closed. A socket would then get such a
/// number, and the program's output would go into a connection. So this opens /dev/null in their place, with
/// close-on-exec: child programs find them closed as this program did. Thread: any.
void occupy_standard_descriptors() noexcept;

}  // namespace bight::detail
