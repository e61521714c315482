// query_child: asks how a child has ended.
#pragma once

#include <bight/os/process_status.hpp>

#include <sys/types.h>

namespace bight::detail {

/// Asks after the child `pid` and no other; `reap` makes it gone for good when it has ended. 0, and `how` is
/// known; EAGAIN: it lives; another error number: ECHILD when it is not a child of this process, or no
/// longer. Without `reap` only Linux tells what it has used.
int query_child(pid_t pid, bool reap, process_status& how) noexcept;

/// Waits until it has ended, on this thread, and reaps it.
void reap_child(pid_t pid) noexcept;

/// Sends a signal to a child that has not been reaped, or to the group that it leads. 0 or an error number.
/// `pidfd` may be -1; with it nobody else is hit although somebody has reaped the child.
int signal_child(pid_t pid, int pidfd, bool group, int signal) noexcept;

/// A descriptor of the process, close-on-exec; or a negative error number: ENOSYS where there are none.
int open_pidfd(pid_t pid) noexcept;

}  // namespace bight::detail
