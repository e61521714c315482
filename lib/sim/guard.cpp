#include "guard.hpp"

#include "world_state.hpp"

#include <bight/core/error.hpp>

#include <exception>
#include <string>
#include <utility>

namespace bight::sim::detail {

namespace {

thread_local host_state* whose_turn = nullptr;

}  // namespace

turn_of::turn_of(host_state& host) noexcept { whose_turn = &host; }
turn_of::~turn_of() { whose_turn = nullptr; }

// One failure is enough, and what this does may come here again.
void used_the_machine(const char* function) noexcept {
    host_state* const host = std::exchange(whose_turn, nullptr);
    if (!host) return;
    try {
        std::string text =
            "host " + host->name + " called " + function + ", which is the machine's and not the world's";
        const bight::detail::job* const j = host->runs ? bight::detail::reactor_access::running_job(*host->runs) : nullptr;
        if (j) {
            text += ": in a task that last awaited in " +
                    bight::detail::describe_location(bight::detail::reactor_access::resumed_at(*host->runs));
        }
        if (!host->world.failure) host->world.failure = std::make_exception_ptr(escaped(text));
    } catch (...) {
        if (!host->world.failure) host->world.failure = std::current_exception();
    }
}

}  // namespace bight::sim::detail
