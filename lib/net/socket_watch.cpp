// The wait of a socket_transport for the end of its peer.
#include "seldom.hpp"
#include "socket_transport.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <cerrno>
#include <new>
#include <system_error>

namespace bight::detail {

// An error may have been reported already, to a read or a write that has not delivered it.
bool socket_transport::peer_has_gone(peer_ending& how) noexcept {
    how = peer_ending::failed;
    if (end_ < 0 || (write_error_ != 0 && (tcp_ || errno_of(write_error_) != EPIPE)) || read_failure() < 0)
        return true;
    how = peer_ending::ended;
    if (end_ == 0) return true;
    switch (calls().state_of_peer(fd)) {
        case socket_calls::peer_state::there: return false;
        case socket_calls::peer_state::ended: return true;
        case socket_calls::peer_state::has_failed: how = peer_ending::failed; return true;
        case socket_calls::peer_state::hung_up: break;
    }
    // After both ends; a Unix socket also when the peer has closed it. Otherwise TCP has failed.
    if (tcp_ && !end_said_) how = peer_ending::failed;
    return true;
}

bool socket_transport::watch(watch_request& request) noexcept {
    if (!demux) {
        request.set_error(errc::closed);
        return true;
    }
    ++demux->operations;
    if (peer_has_gone(request.ending)) return true;
    if (make_seldom() && !demux->watch_end(seldom_->watch)) return false;
    request.set_error(std::make_error_code(std::errc::not_enough_memory));
    return true;
}

void socket_transport::watched() noexcept {
    watch_request* const request = watcher();
    if (!request) return;
    if (seldom_->watch.result < 0 || !demux) {
        request->complete(why_closed());
    } else if (peer_has_gone(request->ending)) {
        request->complete({});
    } else if (seldom_->watch.cancel_asked) {
        request->complete_cancelled();
    } else if (demux->watch_end(seldom_->watch)) {  // woken for something else, such as urgent data
        request->complete(std::make_error_code(std::errc::not_enough_memory));
    }
}

void socket_transport::cancel_watch() noexcept {
    if (demux && demux->cancel_watch(seldom_->watch)) watcher()->complete_cancelled();
}

}  // namespace bight::detail
