// Look-ups by calls that block, on threads.
#include "look_up.hpp"

#include <bight/thread/offload.hpp>

#include <utility>

namespace bight::detail {

namespace {

// How many look-ups run at once; further ones wait for a thread.
constexpr unsigned most_look_ups = 64;

}  // namespace

thread_pool& look_up_threads() {
    static auto* const the_pool = [] {
        thread_pool_options options;
        options.max_threads = most_look_ups;
        options.handles_signals = false;
        return new thread_pool(options);
    }();
    return *the_pool;
}

// Cancelling ends the wait; the call itself goes on to its end.
task<std::string> look_up_name(address of) {
    auto job = [of] { return ask_name(of); };
    offload_options on;
    on.pool = &look_up_threads();
    std::string name = co_await offload_abandonable(std::move(job), on);
    co_return name;
}

task<std::uint16_t> look_up_service(std::string service, bool datagrams) {
    auto job = [service, datagrams] { return ask_service(service, datagrams); };
    offload_options on;
    on.pool = &look_up_threads();
    const std::uint16_t port = co_await offload_abandonable(std::move(job), on);
    co_return port;
}

}  // namespace bight::detail
