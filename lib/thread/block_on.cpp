#include <bight/thread/block_on.hpp>

#include "../core/reactor_state.hpp"

#include <bight/core/error.hpp>
#include <bight/thread/detail/blocking.hpp>

#include <system_error>

namespace bight::detail {

void blocked_call::run_on(reactor& home) {
    refuse_on_reactor("block_on", home.in_this_thread()
                                      ? "it is the reactor's own, which would wait for itself: "
                                        "co_await the task instead"
                                      : "send to the other one through a concurrent_channel");
    if (reactor_state::in_forked_child(home)) {
        throw std::system_error(errc::closed,
                                "block_on: the reactor runs in the process that this one was forked from");
    }
    if (reactor_state::rests_here(home) && !reactor_state::threads_blocked_on(home).ended()) {
        throw std::system_error(errc::wrong_thread,
                                "block_on would wait for a reactor to which this very thread gives its turns "
                                "(run_once): start the task with reactor::start");
    }
    if (submit(home, ticket_)) parker_.park();
    if (error()) std::rethrow_exception(error());
    if (result() == outcome::cancelled) throw run_cancelled{};
}

}  // namespace bight::detail
