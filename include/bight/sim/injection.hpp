// A test that is run again and again, with a cancellation, or memory that is out, at each point of it in
// turn.
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
    /// The same for each run. With faults on, a task may fail, and `may_fail` is what you want, too.
    world_options world;
    /// A task that is cancelled may end with an error.
    bool may_fail = false;
    /// Virtual time for what may go on after the task has ended: the last bytes of a connection, a peer that
    /// notices.
    duration settle = std::chrono::minutes(1);
    /// A test with more points than this is refused.
    std::uint64_t most_points = 100'000;
};

/// Something was not as it must be after the cancellation, or the failed allocation, at one point. `what()`
/// names the point, the tasks as they were there, and what went wrong.
class broken_at : public std::runtime_error {
  public:
    broken_at(std::uint64_t point, const std::string& text) : std::runtime_error(text), point_(point) {}
    std::uint64_t point() const noexcept { return point_; }

  private:
    std::uint64_t point_;
};

struct allocation_tally {
    std::uint64_t allocations = 0;  ///< that the test makes when none fails
    std::uint64_t endured = 0;      ///< failures that it went on without
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

/// Runs a task once as it is, and then once for each point at which it, or a task that it started, goes on or
/// waits: there it is cancelled. Each time it must end, and leave nothing behind. Gives the number of points.
/// A point is the moment before something that is ready runs on its host, or after it: between these nothing
/// changes.
///
///     bight::sim::cancel_everywhere([&](bight::sim::world& w) {
///         auto& locks = w.own<bight::mutex>();
///         w.at("here").run([&]() -> bight::task<> { … });   // somebody else, who must not notice
///         return transfer(locks);
///     });
///
/// `make(world)`, or `make()`, gives the task; it runs on a host called "here" of a world of its own. What
/// else there is to be, other hosts and other tasks of this one, `make` adds before: it is no coroutine that
/// does so, but a function that gives one. Tasks given to host::run must end well, whatever happens to the
/// cancelled one: a wake-up that is lost leaves them waiting, which is a deadlock. What `make` captures
/// outlives all runs; what belongs to one of them is made by world::own.
///
/// Then `check(world)`, or `check()`, looks at what the task is to have left, and throws when it is not so.
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

/// The same with memory: each allocation that the task, and others of its host, make while it runs fails in
/// turn; and then each with all that come after it. A run must end well, or with std::bad_alloc or
/// std::errc:: not_enough_memory. What the simulation allocates by itself does not fail. Throws
/// std::logic_error when no file of the program includes bight/sim/failing_new.hpp.
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
