// inherited_descriptor: the sockets that a service manager has opened for this process.
#pragma once

#include <bight/net/endpoint.hpp>

namespace bight::detail {

/// The descriptor of an endpoint of kind `descriptor` or `inherited`; the latter's becomes close-on-exec.
/// Throws std::system_error (errc::unavailable) when no such socket was passed, and says which ones were.
int adopted_descriptor(const endpoint& where);

}  // namespace bight::detail
