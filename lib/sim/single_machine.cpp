#include "single_machine.hpp"

#include "../core/thread_state.hpp"

#include <utility>

namespace bight::sim::detail {

namespace {

// While the world gives turns, this thread is that of the reactor which has its turn.
class turns_of_others {
  public:
    turns_of_others() noexcept : main_(std::exchange(bight::detail::this_thread().simulated, nullptr)) {}
    turns_of_others(const turns_of_others&) = delete;
    turns_of_others& operator=(const turns_of_others&) = delete;
    ~turns_of_others() { bight::detail::this_thread().simulated = main_; }

  private:
    bight::detail::simulated_thread* main_;
};

}  // namespace

single_machine::single_machine(std::uint64_t seed, const world_options& options)
    : on_(seed, options, virtual_clock::mode::manual) {
    bight::detail::this_thread().simulated = this;
}

single_machine::~single_machine() { bight::detail::this_thread().simulated = nullptr; }

unsigned single_machine::processors() const noexcept { return on_.world().options.processors; }

bool single_machine::has(const bight::detail::platform* of) const noexcept {
    return on_.host().has_thread(of);
}

void single_machine::give_turns(bight::detail::platform& of, bool on) noexcept {
    on_.host().give_turns(static_cast<host_thread&>(of), on);
}

bool single_machine::wait(condition& until) {
    const turns_of_others now;
    world_state& world = on_.world();
    while (!until.holds()) {
        if (world.step()) continue;
        throw deadlock(world.dump_tasks());
    }
    return true;
}

}  // namespace bight::sim::detail
