#include <bight/thread/detail/blocking.hpp>

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <string>
#include <system_error>

namespace bight::detail {

void refuse_on_reactor(const char* what, const char* instead) {
    if (!reactor::current()) return;
    throw std::system_error(
        errc::wrong_thread,
        std::string(what) + " would block the reactor that runs on this thread: " + instead);
}

}  // namespace bight::detail
