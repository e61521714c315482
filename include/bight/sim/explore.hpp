// explore: runs a test in simulated worlds of many seeds, and makes the failure that it finds small.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/sim/faults.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

struct explore_options {
    std::uint64_t first_seed = 1;
    /// How many, one after the other.
    std::uint64_t seeds = 1000;
    /// Of each world, with the faults that are injected into it.
    world_options world;
    /// So many processes run seeds at once; 0: one for each core.
    unsigned jobs = 0;
    /// Real time. A seed that takes longer hangs.
    duration limit_for_each = std::chrono::seconds(30);
    /// Real time. No more seeds are begun after it, and what ran until then is the result; zero: no limit.
    duration limit_for_all = duration::zero();
    /// Every N-th seed, for this N, runs twice, and must do the same both times; 0: none does.
    std::uint64_t run_twice_each = 16;
    /// How much is spent on making a failure smaller.
    unsigned most_shrinking_runs = 500;
    duration limit_for_shrinking = std::chrono::seconds(60);
    /// In messages and names of files.
    std::string name = "test";
    /// Where the trace of a failure is written to: NAME-seed-SEED.jsonl and .html. It is made if it is not
    /// there; the report says where nothing can be written, and why. Empty: nowhere.
    std::string directory;
    /// Nothing is printed.
    bool quiet = false;
};

enum class failure_kind : std::uint8_t {
    error,           ///< an exception left the test
    crash,           ///< a signal, abort, or an exit ended its process
    hang,            ///< it took longer than explore_options::limit_for_each
    leak,            ///< frames of tasks, or blocks of memory, were left when the world was gone
    not_repeatable,  ///< the same seed did something else the second time
    out_of_memory,   ///< memory ran out after other runs in the same process; by itself the seed has enough
};
std::string_view name_of(failure_kind k) noexcept;

/// A seed that fails, as small as it could be made.
struct seed_failure {
    std::uint64_t seed = 0;
    failure_kind kind = failure_kind::error;
    /// The error's type and message, the signal's name, …
    std::string what;
    /// The tasks of all hosts at that moment.
    std::string tasks;
    /// Its trace, of the smallest plan that fails so: one JSON object on each line.
    std::vector<std::string> trace;

    /// What was left after shrinking: the plan without the kinds, and without the single faults, without
    /// which it fails so all the same. (What is left may be there for its side effects.)
    fault_plan smallest;
    /// The seed that fails so with this plan: another than `seed` when that one needs no fault for it.
    std::uint64_t smallest_seed = 0;
    struct remaining_fault {
        std::uint64_t id;  ///< as world::happened_faults has it
        std::string name;
        std::optional<std::size_t> line;  ///< in `trace`, from 0; none when the trace has forgotten it
    };
    std::vector<remaining_fault> faults;
    std::uint64_t faults_before = 0;  ///< as many happened in the seed's own run
    unsigned shrinking_runs = 0;
    /// It could have been made smaller, had there been more time.
    bool cut_short = false;

    /// The value of BIGHT_SIM_SEED that runs only this, in this process.
    std::string replay;
    /// Everything above as text: what explore prints.
    std::string report;
};

/// What explore has seen.
struct [[nodiscard]] exploration {
    /// Seeds run, up to the one that failed.
    std::uint64_t seeds = 0;
    std::optional<seed_failure> failure;
    /// Virtual time of all of them together.
    duration simulated{};
    /// Time that passed meanwhile outside, without that for shrinking.
    std::chrono::nanoseconds real{};

    bool ok() const noexcept { return !failure; }
    /// Simulated hours for each second outside.
    double hours_per_second() const noexcept;
    /// One line.
    std::string summary() const;
};

namespace detail {

class world_test {
  public:
    virtual void run(world& w) = 0;

  protected:
    ~world_test() = default;
};

template <class F>
class world_test_of final : public world_test {
  public:
    explicit world_test_of(F& f) noexcept : call_(f) {}
    void run(world& w) override { call_(w); }

  private:
    F& call_;
};

exploration explore_with(world_test& test, const explore_options& options);

}  // namespace detail

/// Calls `test(world)` with the worlds of many seeds. It adds hosts, calls world::run, and throws when
/// something is not as it must be:
///
///     auto result = bight::sim::explore([](bight::sim::world& w) {
///         auto& seen = w.own<std::vector<std::string>>();
///         w.add("server").on_boot(…);
///         w.add("client").run([&]() -> bight::task<> { … });
///         w.run();
///         if (seen.size() != 3) throw std::runtime_error("a line is lost");
///     }, options);
///     assert(result.ok());
///
/// The world lives longer than the call: what the programs refer to is not a variable of the test but
/// captured by value, or made by world::own.
///
/// Seeds run in processes of their own, which are forked from this one (so it should have no other thread;
/// what it does about SIGCHLD rests until they have ended), and in which standard output and error go
/// nowhere. An assertion of a test framework counts when it throws. A crash, an abort, and a test that never
/// ends are failures of the seed that ran; so are frames of tasks that are left when its world is gone, and,
/// with bight/sim/failing_new.hpp in the program, blocks of memory: what a test is to keep belongs to its
/// world (world::own).
///
/// It ends with the first failure: the smallest seed that fails, whatever the number of processes. That runs
/// again by itself, now with its output, for the tree of tasks and the trace; then without any fault, then
/// other seeds without any, then with one kind of fault at a time, then without some of the faults that
/// happened, again and again, as long as it fails so (with the same signal, or an exception of the same type
/// whose first line differs in numbers at most; a deadlock, with the same tasks at the same lines). What is
/// left out stays out when the test sets faults itself (world::set_faults). That is printed to standard
/// error. The same options give the same text.
///
/// With BIGHT_SIM_SEED=… in the environment it runs one seed only, in this process, for a debugger: the value
/// is a seed, or what was printed for the smallest failure. Throws std::invalid_argument for anything else,
/// and std::system_error when there can be no process. Thread: any, while no reactor runs on it.
template <class F>
    requires std::is_invocable_v<F&, world&>
exploration explore(F test, const explore_options& options = {}) {
    detail::world_test_of<F> wrapped(test);
    return detail::explore_with(wrapped, options);
}
/// The same for this many seeds, with every fault of fault_plan::storm.
template <class F>
    requires std::is_invocable_v<F&, world&>
exploration explore(F test, std::uint64_t seeds) {
    explore_options options;
    options.seeds = seeds;
    options.world.faults = fault_plan::storm();
    return explore(std::move(test), options);
}

}  // namespace sim
}  // namespace bight
