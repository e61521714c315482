#include <bight/thread/detail/blocking.hpp>

#include "../core/platform.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <string>
#include <system_error>

namespace bight::detail {

void refuse_on_reactor(const char* what, const char* instead) {
    if (platform* const simulated = platform::current(); simulated && !reactor::current()) {
        throw std::system_error(simulated->refuse(what),
                                std::string(what) +
                                    " is not simulated on a host's main function, which would wait for a "
                                    "thread that the world does not know: " +
                                    instead);
    }
    if (!reactor::current()) return;
    throw std::system_error(
        errc::wrong_thread,
        std::string(what) + " would block the reactor that runs on this thread: " + instead);
}

}  // namespace bight::detail
