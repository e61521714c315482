#include "process_calls.hpp"

#include "../core/platform.hpp"
#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/socket_calls.hpp"

#include <bight/core/error.hpp>

#include <string>
#include <system_error>

namespace bight::detail {

process_calls* process_calls::of(reactor& home) noexcept {
    platform* const place = reactor_state::platform_of(home);
    if (!place) return &system_process_calls();
    auto* const with_children = dynamic_cast<process_platform*>(place);
    return with_children ? with_children->processes() : nullptr;
}

process_calls& process_calls_here() {
    reactor* const here = reactor::current();
    if (!here) {
        throw std::system_error(errc::wrong_thread,
                                "process::spawn needs a reactor: none runs on this thread");
    }
    if (process_calls* const calls = process_calls::of(*here)) return *calls;
    throw std::system_error(
        errc::unavailable,
        "process: a host of BIGHT_REACTOR=sim starts no programs; those of a sim::world do");
}

pipe_calls* pipe_calls::of(reactor& home, int fd) noexcept {
    if (fd < first_simulated_descriptor) return nullptr;
    auto* const simulated = dynamic_cast<process_platform*>(reactor_state::platform_of(home));
    return simulated ? &simulated->pipes() : nullptr;
}

pipe_ends open_pipe(process_calls& by, const std::string& what) {
    pipe_ends made;
    if (const int error = by.make_pipe(made); error < 0) {
        throw std::system_error(system_error_code(-error), what);
    }
    return made;
}

}  // namespace bight::detail
