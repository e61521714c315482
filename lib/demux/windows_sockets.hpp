// start_windows_sockets: what every use of sockets begins with on Windows.
#pragma once

namespace bight::detail {

/// WSAStartup, once for the process. Throws std::system_error. The calls of kernel_sockets begin with it by
/// themselves. Thread: any.
void start_windows_sockets();

}  // namespace bight::detail
