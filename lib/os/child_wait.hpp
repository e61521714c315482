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

/// Sends a signal to a child that has not been reaped, or to the group that it leads, and to the child, too,
/// when it has left its group. 0 or an error number: ESRCH when nobody is there; of SIGKILL that of the
/// child. `pidfd` may be -1; with it nobody else is hit although somebody has reaped the child.
int signal_child(pid_t pid, int pidfd, bool group, int signal) noexcept;

/// Sends a signal to what is left of the group of a child that has ended and not been reaped. 0 or an error
/// number.
int signal_group(pid_t leader, int signal) noexcept;

/// Whether the system has descriptors of processes, and no filter refuses them.
bool has_pidfds() noexcept;
/// Whether an error of open_pidfd says that there are none.
bool has_no_pidfds(int error) noexcept;

/// A descriptor of the process, close-on-exec; or a negative error number: ENOSYS where there are none.
int open_pidfd(pid_t pid) noexcept;

}  // namespace bight::detail
