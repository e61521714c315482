// stream_over: a stream over a descriptor that others may share.
#pragma once

#include "descriptor_claim.hpp"
#include "pipe_transport.hpp"

#include <bight/io/stream.hpp>

#include <memory>
#include <string>

namespace BIGHT_EXPORT bight {

class reactor;

namespace detail {

/// Takes over `fd`, which may be anything; the mode of its open file stays as it is. Throws
/// std::system_error or std::bad_alloc, and then closes it. `what` is for messages: "standard input".
stream stream_over(reactor& home, int fd, pipe_transport::way goes, std::string what,
                   std::unique_ptr<descriptor_claim> claim = nullptr);

/// The reactor of this thread. Throws errc::wrong_thread, or errc::unavailable on a simulated host.
reactor& reactor_with_descriptors(const char* who);

/// For tests: false does as where /proc is not mounted, or the file is another user's.
inline bool opens_again = true;

}  // namespace detail
}  // namespace bight
