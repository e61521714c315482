#include <bight/io/until_peer_gone.hpp>

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <system_error>

namespace bight {

namespace detail {

bool peer_gone_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (may_begin(p.owner().home())) return to().start_watch(*this) ? finish_now() : true;
    set_refusal();
    return finish_now();
}

}  // namespace detail

void watch_request::cancel() noexcept { to().cancel_watch(); }
void watch_request::settled() noexcept { to().watcher_ = nullptr; }
void watch_request::describe(std::string& out) const {
    out += "the end of the peer of ";
    to().describe(out);
}

// As for a read: a stream that is being closed is told to one that was not itself cancelled.
void watch_request::complete_cancelled() noexcept {
    if (to().accepts_reads() || (suspended() && owner().cancel_requested())) {
        transport_request::complete_cancelled();
    } else {
        complete(to().why_closed());
    }
}

bool transport::start_watch(watch_request& request) noexcept {
    if (watcher_ || !accepts_reads_) {
        request.set_error(accepts_reads_ ? make_error_code(errc::busy) : why_closed());
        return true;
    }
    watcher_ = &request;
    if (!watch(request)) return false;
    watcher_ = nullptr;
    return true;
}

bool transport::watch(watch_request& request) noexcept {
    request.set_error(std::make_error_code(std::errc::not_supported));
    return true;
}

}  // namespace bight
