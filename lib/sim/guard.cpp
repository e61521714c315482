#include "guard.hpp"

#include "world_state.hpp"

#include <bight/core/error.hpp>

#include <exception>
#include <string>
#include <utility>

namespace bight::sim::detail {

namespace {

thread_local host_thread* whose_turn = nullptr;

}  // namespace

turn_of::turn_of(host_thread& that) noexcept : world_(that.host.world) {
    whose_turn = &that;
    world_.acting = &that;
}
turn_of::~turn_of() {
    whose_turn = nullptr;
    world_.acting = nullptr;
}

// Reports only once, since reporting may call this again.
void used_the_machine(const char* function) noexcept {
    host_thread* const that = std::exchange(whose_turn, nullptr);
    if (!that) return;
    std::exception_ptr& failure = that->host.world.failure;
    try {
        std::string text = "host " + that->description() + " called " + function +
                           ", which is the machine's and not the world's";
        const bight::detail::job* const j =
            that->runs ? bight::detail::reactor_access::running_job(*that->runs) : nullptr;
        if (j) {
            text += ": in a task that last awaited in " +
                    bight::detail::describe_location(bight::detail::reactor_access::resumed_at(*that->runs));
        }
        if (!failure) failure = std::make_exception_ptr(escaped(text));
    } catch (...) {
        if (!failure) failure = std::current_exception();
    }
}

}  // namespace bight::sim::detail
