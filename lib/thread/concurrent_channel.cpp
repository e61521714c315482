#include <bight/thread/concurrent_channel.hpp>

#include <bight/core/error.hpp>

#include <system_error>

namespace bight::detail {

void throw_concurrent_channel_closed() { throw std::system_error(errc::closed, "send to a concurrent_channel"); }

}  // namespace bight::detail
