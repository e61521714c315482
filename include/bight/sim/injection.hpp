// cancel_everywhere, fail_allocations_everywhere: inject a cancellation, or a failed allocation, at each
// point of a test in turn.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace sim {

struct everywhere_options {
    std::uint64_t seed = 1;
    /// The same for every run. With faults on, a task may fail: then set `may_fail` too.
    world_options world;
    /// Whether the cancelled task may end with an error.
    bool may_fail = false;
    /// Virtual time after the end of the task for what still goes on: the last bytes of a connection, a peer
    /// that notices the end.
    duration settle = std::chrono::minutes(1);
    /// The most points that a test may have; one with more is refused.
    std::uint64_t most_points = 100'000;
};

/// The test failed with a cancellation, or a failed allocation, at one point. `what()` names the point, the
/// tree of tasks there, and the failure.
class broken_at : public std::runtime_error {
  public:
    broken_at(std::uint64_t point, const std::string& text) : std::runtime_error(text), point_(point) {}
    std::uint64_t point() const noexcept { return point_; }

  private:
    std::uint64_t point_;
};

struct allocation_tally {
    std::uint64_t allocations = 0;  ///< made by the test when none fails
    std::uint64_t endured = 0;      ///< failures after which the run still ended well
};

namespace detail {

class everywhere_test {
  public:
    virtual task<> start(world& w) = 0;
    virtual void check(world& w) = 0;

  protected:
    ~everywhere_test() = default;
};

template <class F, class Check>
class everywhere_test_of final : public everywhere_test {
  public:
    everywhere_test_of(F& make, Check& check) noexcept : make_(make), check_(check) {}
    task<> start(world& w) override {
        if constexpr (std::is_invocable_v<F&, world&>) {
            return make_(w);
        } else {
            return make_();
        }
    }
    void check(world& w) override {
        if constexpr (std::is_invocable_v<Check&, world&>) {
            check_(w);
        } else {
            check_();
        }
    }

  private:
    F& make_;
    Check& check_;
};

template <class F>
concept makes_task = std::is_invocable_r_v<task<>, F&, world&> || std::is_invocable_r_v<task<>, F&>;
template <class F>
concept checks = std::is_invocable_v<F&, world&> || std::is_invocable_v<F&>;

std::uint64_t cancel_everywhere_in(everywhere_test& test, const everywhere_options& options);
allocation_tally fail_allocations_everywhere_in(everywhere_test& test, const everywhere_options& options);

}  // namespace detail

/// Runs a task once undisturbed, and then once for each point at which it, or a task that it started, runs or
/// waits, and cancels it at that point. Each time it must end, and leave nothing behind. Returns the number
/// of points. A point is a moment before or after an entry of the host's ready queue runs: between these
/// nothing changes.
///
///     bight::sim::cancel_everywhere([&](bight::sim::world& w) {
///         auto& locks = w.own<bight::mutex>();
///         w.at("here").run([&]() -> bight::task<> { … });   // somebody else, who must not notice
///         return transfer(locks);
///     });
///
/// `make(world)`, or `make()`, gives the task; it runs on a host called "here", each time in a new world.
/// `make` is an ordinary function that returns the task, not a coroutine; before it returns it adds whatever
/// else the test needs, such as other hosts and other tasks. Tasks given to host::run must end well, whatever
/// happens to the cancelled task: a lost wake-up leaves them waiting, which is a deadlock. What `make`
/// captures outlives all runs; objects of a single run are made by world::own.
///
/// Then `check(world)`, or `check()`, examines the state that the task left, and throws when it is wrong.
///
/// Throws broken_at when a run never ends (with the tree of tasks), when it ends with an error, when `check`
/// throws, and when there are more sockets, tasks, timers, receive buffers, frames or (with
/// bight/sim/failing_new.hpp) blocks of memory than after the run without cancellation. Throws what the run
/// without cancellation throws. With BIGHT_SIM_POINT=N in the environment only the N-th point is tried.
/// Thread: any, while no reactor runs on it.
template <detail::makes_task F, detail::checks Check>
std::uint64_t cancel_everywhere(F make, Check check, const everywhere_options& options = {}) {
    detail::everywhere_test_of<F, Check> test(make, check);
    return detail::cancel_everywhere_in(test, options);
}
template <detail::makes_task F>
std::uint64_t cancel_everywhere(F make, const everywhere_options& options = {}) {
    return cancel_everywhere(std::move(make), [] {}, options);
}

/// The same with memory: each allocation that the task, and others on its host, make while it runs fails in
/// turn, first alone and then with all later ones. A run must end well, or with std::bad_alloc or
/// std::errc::not_enough_memory. Allocations of the simulation itself do not fail. Throws std::logic_error
/// when no file of the program includes bight/sim/failing_new.hpp.
template <detail::makes_task F, detail::checks Check>
allocation_tally fail_allocations_everywhere(F make, Check check, const everywhere_options& options = {}) {
    detail::everywhere_test_of<F, Check> test(make, check);
    return detail::fail_allocations_everywhere_in(test, options);
}
template <detail::makes_task F>
allocation_tally fail_allocations_everywhere(F make, const everywhere_options& options = {}) {
    return fail_allocations_everywhere(std::move(make), [] {}, options);
}

}  // namespace sim
}  // namespace bight
