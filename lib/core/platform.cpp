#include "platform.hpp"

#include "reactor_state.hpp"
#include "simulated_thread.hpp"
#include "thread_state.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>

namespace bight::detail {

namespace {

constinit const named_platform* offered = nullptr;

constexpr std::string_view simulated_prefix = "sim:";

std::string_view variable() noexcept {
    const char* const value = std::getenv("BIGHT_REACTOR");
    return value ? value : "";
}

}  // namespace

platform* platform::current() noexcept {
    if (const reactor* const here = reactor::current()) return reactor_state::platform_of(*here);
    simulated_thread* const thread = simulated_thread::current();
    return thread ? &thread->surroundings() : nullptr;
}

void platform::refuse_reactor_in_task() {
    const reactor* const task_on = reactor::current();
    platform* const here = task_on ? reactor_state::platform_of(*task_on) : nullptr;
    if (!here) return;
    throw std::system_error(
        here->refuse("a reactor made by a task"),
        "a task in the simulation cannot have a reactor of its own: give host::run or on_boot "
        "a function that makes it");
}

simulated_thread* simulated_thread::current() noexcept { return this_thread().simulated; }

void offer_platform(const named_platform& p) noexcept { offered = &p; }

namespace {

// Null when the variable names none.
const named_platform* named_by_environment() {
    if (offered && variable().starts_with(offered->prefix)) return offered;
    if (!variable().starts_with(simulated_prefix)) return nullptr;
    throw std::system_error(errc::unavailable,
                            "BIGHT_REACTOR is \"" + std::string(variable()) +
                                "\", and this program has no simulation in it: link bight-sim (in Meson "
                                "bight_sim_dep, in CMake bight::sim, else what pkg-config says of bight-sim)");
}

}  // namespace

std::unique_ptr<platform> platform_of_environment() {
    const named_platform* const named = named_by_environment();
    return named ? named->make(variable()) : nullptr;
}

// By thread in a map: where thread_local is emulated (mingw-w64), the destructor of such a variable finds its
// memory freed (GCC PR 80816).
std::shared_ptr<simulated_machine> machine_of_environment() {
    static std::mutex lock;
    static std::map<std::uint64_t, std::weak_ptr<simulated_machine>> last;
    const std::uint64_t thread = this_thread().number();
    {
        const std::lock_guard hold(lock);
        std::erase_if(last, [](const auto& each) { return each.second.expired(); });
        const auto mine = last.find(thread);
        if (mine != last.end()) {
            if (auto here = mine->second.lock()) return here;
        }
    }
    const named_platform* const named = named_by_environment();
    if (!named) return nullptr;
    std::shared_ptr<simulated_machine> here = named->make_machine(variable());
    const std::lock_guard hold(lock);
    last[thread] = here;
    return here;
}

}  // namespace bight::detail
