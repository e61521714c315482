#include "direct_calls.hpp"

namespace bight::detail {

namespace {

// After a call that failed: -errno.
int receive_failed(descriptor& d) noexcept {
    if (errno != EAGAIN) return -errno;
    d.may_read = false;
    d.drain = false;
    return -EAGAIN;
}

}  // namespace

int receive_bytes(descriptor& d, void* memory, std::size_t size) noexcept {
    ssize_t got = 0;
    do {
        got = ::recv(d.fd, memory, size, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return receive_failed(d);
    if (got > 0) note_received(d, static_cast<std::size_t>(got), size);
    return static_cast<int>(got);
}

ssize_t no_chunk(descriptor& d, block_pool::block& block, ssize_t got, chunk& out) noexcept {
    const ssize_t result = got == 0 ? 0 : receive_failed(d);
    block_pool& pool = *block.pool;
    pool.give_back(block);
    return result == -EINTR ? receive_chunk(d, pool, out) : result;
}

}  // namespace bight::detail
