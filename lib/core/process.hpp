// Which process this is, for what a forked child inherits and must leave alone.
#pragma once

namespace bight::detail {

/// A number that is another one in a process that was forked from here (by fork(2), and not by clone(2)).
/// Never 0. Thread: any.
unsigned this_process() noexcept;

}  // namespace bight::detail
