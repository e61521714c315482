// explore: runs a test in simulated worlds with many seeds, and shrinks the first failure.
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
    /// How many seeds, one after the other.
    std::uint64_t seeds = 1000;
    /// Options of each world, including the faults that are injected.
    world_options world;
    /// How many processes run seeds at the same time; 0: one for each core.
    unsigned jobs = 0;
    /// Real time. A seed that takes longer counts as a hang.
    duration limit_for_each = std::chrono::seconds(30);
    /// Real time. After it no more seeds begin, and the result covers those that have run; zero: no limit.
    duration limit_for_all = duration::zero();
    /// Every Nth seed runs twice, and must do the same both times; 0: none does.
    std::uint64_t run_twice_each = 16;
    /// Limits for shrinking a failure: runs, and real time.
    unsigned most_shrinking_runs = 500;
    duration limit_for_shrinking = std::chrono::seconds(60);
    /// The name of the test in messages and file names.
    std::string name = "test";
    /// The directory to which the trace of a failure is written: NAME-seed-SEED.jsonl and .html. It is
    /// created if necessary; the report says when writing fails, and why. Empty: no files.
    std::string directory;
    /// Print nothing.
    bool quiet = false;
};

enum class failure_kind : std::uint8_t {
    error,           ///< an exception left the test
    crash,           ///< a signal, an abort or an exit ended the process of the test
    hang,            ///< it took longer than explore_options::limit_for_each
    leak,            ///< frames of tasks, or blocks of memory, were left after the world was destroyed
    not_repeatable,  ///< the same seed behaved differently the second time
    out_of_memory,   ///< memory ran out after other runs in the same process; run alone the seed has enough
};
std::string_view name_of(failure_kind k) noexcept;

/// A failing seed, with the smallest failure that shrinking found.
struct seed_failure {
    std::uint64_t seed = 0;
    failure_kind kind = failure_kind::error;
    /// The error's type and message, the signal's name, …
    std::string what;
    /// The tasks of all hosts at that moment.
    std::string tasks;
    /// The trace of the smallest plan that fails in the same way: one JSON object on each line.
    std::vector<std::string> trace;

    /// The plan after shrinking: without the kinds of faults, and the single faults, that the failure does
    /// not need. (Faults that are left may be needed only for their side effects.)
    fault_plan smallest;
    /// The personality under which it fails: plain, if it fails in the same way under that.
    sim::personality personality = sim::personality::plain;
    /// The seed that fails in the same way with this plan. It differs from `seed` only if the failure needs
    /// no faults.
    std::uint64_t smallest_seed = 0;
    struct remaining_fault {
        std::uint64_t id;  ///< as world::happened_faults has it
        std::string name;
        std::optional<std::size_t> line;  ///< in `trace`, from 0; none when the trace no longer has it
    };
    std::vector<remaining_fault> faults;
    std::uint64_t faults_before = 0;  ///< how many happened in the first run of the seed
    unsigned shrinking_runs = 0;
    /// Shrinking ended at a limit: with more time the failure might have become smaller.
    bool cut_short = false;

    /// The value of BIGHT_SIM_SEED that repeats just this failure, in this process.
    std::string replay;
    /// Everything above as text: what explore prints.
    std::string report;
};

/// The result of explore.
struct [[nodiscard]] exploration {
    /// Seeds run, up to the one that failed.
    std::uint64_t seeds = 0;
    std::optional<seed_failure> failure;
    /// The total virtual time of these seeds.
    duration simulated{};
    /// The real time that passed meanwhile, without that for shrinking.
    std::chrono::nanoseconds real{};
    /// The real time that was then spent on running the failure again and shrinking it.
    std::chrono::nanoseconds shrinking{};
    /// explore_options::limit_for_all came before all seeds had run.
    bool out_of_time = false;

    bool ok() const noexcept { return !failure; }
    /// Simulated hours per second of real time.
    double hours_per_second() const noexcept;
    /// What it did with its time, in one line.
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

/// Calls `test(world)` with worlds of many seeds. The test adds hosts, calls world::run, and throws when
/// something is wrong:
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
/// The world outlives the call of the test: programs must not refer to its local variables, but to values
/// that they capture, or to objects made by world::own.
///
/// Seeds run in child processes, which are forked from this one. So this process should have no other thread;
/// its handling of SIGCHLD is suspended until they have ended. In the children standard output and error are
/// discarded. An assertion of a test framework counts as a failure if it throws. A crash, an abort and a test
/// that never ends are failures of the seed that ran. So are frames of tasks that are left after the world is
/// destroyed and, with bight/sim/failing_new.hpp in the program, blocks of memory: objects that the test
/// keeps must belong to its world (world::own).
///
/// Windows has no fork: there the seeds run in this process, one after the other, and their output is not
/// discarded. A crash, an abort or a test that takes longer than its limit ends the program, after a line on
/// standard error that says which seed it was; exceptions, deadlocks and leaks are found and shrunk as
/// elsewhere.
///
/// It ends with the first failure: the smallest seed that fails, whatever the number of processes. That seed
/// runs again alone, now with its output, for the tree of tasks and the trace. Then it is shrunk: without any
/// fault, then other seeds without any, then with one kind of fault at a time, then repeatedly without some
/// of the faults that happened, as long as the failure stays the same. That means the same signal, or an
/// exception of the same type whose first line differs only in numbers; for a deadlock, the same tasks at the
/// same lines. The personality of the failing seed stays as it is, unless the failure is the same under
/// personality::plain. Faults that are left out stay out when the test sets faults itself
/// (world::set_faults). The report is printed to standard error, and below it exploration::summary. The same
/// options give the same report. While it shrinks it says every two seconds how far it is.
///
/// With BIGHT_SIM_SEED=… in the environment it runs only one seed, in this process, for a debugger: the value
/// is a seed, or the string that was printed for the smallest failure (spaces and line ends do not count).
/// Throws std::invalid_argument for any
/// other value, and std::system_error when no process can be forked. Thread: any, while no reactor runs on
/// it.
template <class F>
    requires std::is_invocable_v<F&, world&>
exploration explore(F test, const explore_options& options = {}) {
    detail::world_test_of<F> wrapped(test);
    return detail::explore_with(wrapped, options);
}
/// The same for this many seeds, with every fault of fault_plan::storm, each under the personality that it
/// chooses.
template <class F>
    requires std::is_invocable_v<F&, world&>
exploration explore(F test, std::uint64_t seeds) {
    explore_options options;
    options.seeds = seeds;
    options.world.faults = fault_plan::storm();
    options.world.personality = personality::by_seed;
    return explore(std::move(test), options);
}

}  // namespace sim
}  // namespace bight
