// until_peer_gone: waits for the end of a connection's other side, without reading.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/io/stream.hpp>
#include <bight/io/transport.hpp>

namespace BIGHT_EXPORT bight {

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] peer_gone_awaiter final
    : public watch_request,
      public awaiter_base<peer_gone_awaiter> {
  public:
    explicit peer_gone_awaiter(transport* of) noexcept : watch_request(of) {}
    peer_ending await_resume() const {
        if (failed()) throw_stream_error(error(), "wait for the end of the peer of", transport_if_any());
        return ending;
    }
    result<peer_ending> take_result() const noexcept {
        if (failed()) return error();
        return ending;
    }

  private:
    friend awaiter_base<peer_gone_awaiter>;
    bool suspend(promise_base& p) noexcept;
};

}  // namespace detail

/// Waits until the peer of a connection has gone, and says how, for a task that computes (or waits for
/// something else) on behalf of a peer, and does not read meanwhile:
///
///     auto first = co_await bight::when_any(until_peer_gone(peer), long_computation());
///
/// It reads nothing: what has arrived, and the end or the error itself, are left to the next read. `ended`:
/// the peer has sent the end of its stream. It may have gone, or may still read: a protocol in which a client
/// ends its side and then reads the answer (shutdown_write) cannot tell these apart, except by writing.
/// `failed`: the connection has been reset or has timed out; reads and writes tell the error.
///
/// A peer whose machine is cut off ends nothing: that is noticed only with keep-alive
/// (stream::set_keep_alive), or by writing. With `select`, which reports no ends, a peer of which unread
/// bytes are here is looked at only every 100 ms.
///
/// One task at a time: a second gets errc::busy. Another task may read or write meanwhile. Throws
/// std::system_error: errc::closed after close(), also while it waits, the reason of an abort(), EBADF for an
/// empty stream, ENOTSUP for a transport that cannot tell, ENOMEM. Cancelling it changes nothing. Thread: the
/// stream's reactor's. See poll(2), POLLRDHUP.
inline detail::peer_gone_awaiter until_peer_gone(stream& peer) noexcept {
    return detail::peer_gone_awaiter(peer ? &peer.lower() : nullptr);
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto until_peer_gone(detail::anything = {}, detail::anything = {}) {
    static_assert(fits,
                  "until_peer_gone(peer) takes a stream that has a name, and is not const; for a time limit "
                  "write with_timeout(until_peer_gone(peer), 30s)");
    return detail::refused_operation();
}

}  // namespace bight
