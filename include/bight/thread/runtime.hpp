// runtime: one reactor per core, started and stopped together.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/run.hpp>
#include <bight/core/task.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// Options of a runtime.
struct runtime_options {
    /// For each of the reactors. It must not name a virtual clock, which serves one reactor only.
    reactor_options reactor = {};
    /// How many reactors, each on its own thread; 0: one for each processor that this process may use.
    unsigned reactors = 0;
    /// Whether each thread is pinned to one processor (sched_setaffinity(2)): the first thread to the first
    /// processor that this process may use, and so on; with more threads than processors it begins again at
    /// the first.
    bool pin_threads = false;
    /// Whether SIGINT and SIGTERM stop all reactors while `run` runs (see bight::run).
    bool handle_signals = true;
    /// Whether, with handle_signals, SIGUSR1 writes the trees of tasks (see run_options).
    bool dump_on_sigusr1 = true;
};
static_assert(std::is_trivially_destructible_v<runtime_options>);  // see reactor_options

namespace detail {

struct runtime_state;

/// The root tasks of one run of a runtime.
class shard_roots {
  public:
    /// Called once for each reactor, on its thread.
    virtual task<> begin(std::size_t index) = 0;

  protected:
    ~shard_roots() = default;
};

template <class F>
    requires std::is_invocable_v<F&, std::size_t> || std::is_invocable_v<F&>
auto call_root(F& root, std::size_t index) {
    if constexpr (std::is_invocable_v<F&, std::size_t>) {
        return root(index);
    } else {
        return root();
    }
}

/// The result type of a root task of F.
template <class F>
using shard_value = typename decltype(call_root(std::declval<F&>(), std::size_t{}))::value_type;

template <class F>
concept shard_root = std::copy_constructible<F> && requires { typename shard_value<F>; } &&
                     !std::is_reference_v<shard_value<F>>;

/// A copy of the callable for each reactor, and the result of its task.
template <class F, class T = shard_value<F>>
class root_copies final : public shard_roots {
  public:
    root_copies(F&& root, std::size_t count) : values_(count) {
        copies_.reserve(count);
        while (copies_.size() + 1 < count) copies_.push_back(std::as_const(root));
        copies_.push_back(std::move(root));
    }
    task<> begin(std::size_t index) override { return keep(copies_[index], index, values_[index]); }
    std::vector<std::optional<T>>& values() noexcept { return values_; }

  private:
    static task<> keep(F& root, std::size_t index, std::optional<T>& value) {
        task<T> begun = call_root(root, index);
        T got = co_await std::move(begun);
        value.emplace(std::move(got));
    }
    std::vector<F> copies_;
    std::vector<std::optional<T>> values_;
};

template <class F>
class root_copies<F, void> final : public shard_roots {
  public:
    root_copies(F&& root, std::size_t count) {
        copies_.reserve(count);
        while (copies_.size() + 1 < count) copies_.push_back(std::as_const(root));
        copies_.push_back(std::move(root));
    }
    task<> begin(std::size_t index) override { return keep(copies_[index], index); }

  private:
    static task<> keep(F& root, std::size_t index) {
        task<> begun = call_root(root, index);
        co_await std::move(begun);
    }
    std::vector<F> copies_;
};

template <class T>
using runtime_result = std::conditional_t<std::is_void_v<T> || std::same_as<T, int>, int, std::vector<T>>;

}  // namespace detail

/// Several reactors, each on its own thread, that are started and stopped together. A task stays on the
/// reactor where it was started, so data that only the tasks of one reactor use needs no lock. To talk to
/// another reactor, await a call there (bight::on), or post one (reactor::post).
///
/// The threads exist from the constructor to the destructor, and wait while nothing runs. Thread: one thread
/// makes, runs and destroys the runtime; any thread may call `stop`, `stop_now`, `size` and `reactor`.
///
/// With BIGHT_REACTOR=sim:SEED there are no threads: all reactors are on one simulated host, and have their
/// turns, in an order that the seed decides, on the thread that calls `run`. Real threads must not touch them.
class runtime {
  public:
    /// Starts the threads and makes the reactors. Throws what reactor's constructor throws; std::system_error
    /// when a thread cannot be started or pinned; std::invalid_argument for a virtual clock. Then nothing is
    /// left running. In main(), exit_status_of reports such an error.
    explicit runtime(const runtime_options& options = {});
    /// The number of reactors is an option: this does not compile.
    template <std::integral N>
    explicit runtime(N) : state_(nullptr) {
        static_assert(detail::never<N>,
                      "the number of reactors is an option: bight::runtime cores({.reactors = 4})");
    }
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    /// Destroys the reactors, each on its own thread (see reactor::~reactor), and joins the threads. In a
    /// forked child it does nothing: the threads are the parent's.
    ~runtime();

    std::size_t size() const noexcept;
    /// `index` is less than size(). A call that is posted while nothing runs waits for the next run.
    bight::reactor& reactor(std::size_t index) const noexcept;
    /// The index of the reactor that runs on this thread; size() when none of them does.
    std::size_t index_here() const noexcept;

    /// Copies `root` for each reactor, calls `root(index)` or `root()` there, and runs the task that it
    /// gives; returns when all these tasks have ended. The copies are kept until then, so a lambda that
    /// captures is safe; what it captures by reference is shared by all the threads. A reactor whose task has
    /// ended continues with its other work (posted calls, tasks given to reactor::start) until the last one
    /// has ended.
    ///
    /// For a task<void> or a task<int> the result is an exit status, like that of bight::run: 0, or the first
    /// int that is not 0 in the order of the reactors; 1 when a task failed (the errors go to the error
    /// handler) or when tasks were stopped; 128 + n when signal n stopped them. For any other T it is the
    /// values, in the order of the reactors; errors are thrown (several as an aggregate_error), and
    /// `interrupted` or run_cancelled when tasks were stopped.
    ///
    /// An error of one task stops all reactors gracefully. So does a stop of any one of the reactors, and the
    /// first SIGINT or SIGTERM; the second signal stops them at once, the third ends the process. Throws
    /// std::logic_error when it is called on a thread where a reactor runs (it blocks), while it runs
    /// already, and in a forked child, which has none of the threads.
    template <class F>
        requires detail::shard_root<F>
    auto run(F root) -> detail::runtime_result<detail::shard_value<F>> {
        using value = detail::shard_value<F>;
        detail::root_copies<F> roots(std::move(root), size());
        if constexpr (std::is_void_v<value>) {
            return run_for_status(roots);
        } else if constexpr (std::same_as<value, int>) {
            const int status = run_for_status(roots);
            if (status != 0) return status;
            for (const std::optional<int>& one : roots.values()) {
                if (*one != 0) return *one;
            }
            return 0;
        } else {
            run_or_throw(roots);
            std::vector<value> values;
            values.reserve(size());
            for (std::optional<value>& one : roots.values()) values.push_back(std::move(*one));
            return values;
        }
    }
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    auto run(detail::anything = {}) {
        static_assert(
            fits,
            "runtime::run(f) takes a function or a lambda that gives a task, and which each reactor "
            "copies and calls with its number or without arguments: cores.run([&] { return work(); })");
        return detail::refused();
    }

    /// reactor::stop, or stop_now, for all reactors: the first one gets it, and passes it on to the others. A
    /// stop before run ends that run, although tasks of other reactors may have begun by then. Thread: any,
    /// also in a signal handler.
    void stop() noexcept;
    void stop_now() noexcept;

  private:
    int run_for_status(detail::shard_roots& roots);
    void run_or_throw(detail::shard_roots& roots);

    detail::runtime_state* state_;
};

}  // namespace bight
