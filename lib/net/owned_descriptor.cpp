#include <bight/net/owned_descriptor.hpp>

#include "../demux/socket_calls.hpp"

namespace bight {

// That of a simulated host is closed there; the world's end closes what is left, after which the kernel,
// which mostly has no such number, refuses it.
void owned_descriptor::reset() noexcept {
    const int fd = release();
    if (fd < 0) return;
    const bool real = fd < detail::first_simulated_descriptor;
    (real ? detail::kernel_sockets() : detail::sockets_here()).close(fd);
}

}  // namespace bight
