#include <bight/net/owned_descriptor.hpp>

#include "../demux/socket_calls.hpp"

namespace bight {

// That of a simulated host is closed there; the world's end closes what is left.
void owned_descriptor::reset() noexcept {
    const int fd = release();
    if (fd < 0) return;
    detail::socket_calls& kernel = detail::kernel_sockets();
    detail::socket_calls& calls = fd < detail::first_simulated_descriptor ? kernel : detail::sockets_here();
    if (fd < detail::first_simulated_descriptor || &calls != &kernel) calls.close(fd);
}

}  // namespace bight
