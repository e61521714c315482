// sockets_here: which socket calls this thread makes.
#include "socket_calls.hpp"

#include "demultiplexer.hpp"
#include "network_platform.hpp"

#include "../core/platform.hpp"

#include <bight/core/reactor.hpp>

namespace bight::detail {

socket_calls& sockets_here() noexcept {
    if (reactor* const here = reactor::current()) return demultiplexer_of(*here).sockets();
    network_platform* const simulated = network_platform::current();
    return simulated ? simulated->sockets() : kernel_sockets();
}

network_platform* network_platform::current() noexcept {
    return dynamic_cast<network_platform*>(platform::current());
}

}  // namespace bight::detail
