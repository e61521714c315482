// The descriptors 0, 1 and 2.
#pragma once

namespace bight::detail {

/// A program may be started with some of them closed. The next descriptors that it opens get their numbers,
/// and what it prints goes into a connection then: so those that are closed are taken, by /dev/null. Children
/// do not inherit that (close-on-exec); they find them as this program did. Thread: any.
void occupy_standard_descriptors() noexcept;

}  // namespace bight::detail
