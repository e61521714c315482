// single_machine: BIGHT_REACTOR=sim:SEED for a program with several reactors.
#pragma once

#include "lone_host.hpp"

#include "../core/simulated_thread.hpp"

#include <cstdint>

namespace bight::sim::detail {

/// Makes the thread on which it is made the main thread of a simulated host. What would block there gives the
/// reactors their turns, on this same thread.
class single_machine final : public bight::detail::simulated_machine {
  public:
    single_machine(std::uint64_t seed, const world_options& options);
    ~single_machine() override;

    bight::detail::platform& surroundings() noexcept override { return on_.thread(); }
    unsigned processors() const noexcept override;
    bight::detail::platform& add_reactor() override { return on_.host().add_reactor(); }
    bool has(const bight::detail::platform* of) const noexcept override;
    void give_turns(bight::detail::platform& of, bool on) noexcept override;
    /// Throws `deadlock` when nothing can ever happen again.
    bool wait(condition& until) override;

  private:
    mutable lone_host on_;
};

}  // namespace bight::sim::detail
