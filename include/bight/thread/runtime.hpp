// runtime: a reactor for each core, run as one.
#pragma once

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

/// How many reactors a runtime has, and of what kind.
struct runtime_options {
    /// For each of the reactors. Without a virtual clock: that is for one reactor.
    reactor_options reactor;
    /// How many reactors, each on a thread of its own; 0: one for each processor that this process may use.
    unsigned reactors = 0;
    /// Whether each thread keeps to one processor, the first to the first that this process may use, and so
    /// on, round and round (sched_setaffinity(2)).
    bool pin_threads = false;
    /// Whether SIGINT and SIGTERM stop all of them while `run` runs (see bight::run).
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
auto call_root(F& root, std::size_t index) {
    if constexpr (std::is_invocable_v<F&, std::size_t>) {
        return root(index);
    } else {
        return root();
    }
}

/// What a root task of F gives.
template <class F>
using shard_value = typename decltype(call_root(std::declval<F&>(), std::size_t{}))::value_type;

template <class F>
concept shard_root = std::copy_constructible<F> && requires { typename shard_value<F>; } &&
                     !std::is_reference_v<shard_value<F>>;

/// A copy of the callable for each reactor, and what its task gave.
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

/// A number of reactors, each on a thread of its own, that are started and stopped as one. They share nothing
/// but what the program shares: a task stays on the reactor where it was spawned, so what only the tasks of
/// one reactor touch needs no lock. To talk to another one, post a call to it (reactor::post).
///
/// The threads are there from the constructor to the destructor, and wait while nothing runs. Thread: one
/// thread makes it, runs it and destroys it; `stop`, `stop_now`, `size` and `reactor` are for any thread.
class runtime {
  public:
    /// Starts the threads and makes the reactors. Throws what reactor's constructor throws, std::system_error
    /// when a thread cannot be had or pinned, or when BIGHT_REACTOR names a simulation (which is one
    /// thread's) and there are several reactors, std::invalid_argument for a virtual clock; then nothing is
    /// left. In main(), exit_status_of reports that.
    explicit runtime(const runtime_options& options = {});
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    /// Destroys the reactors, each on its own thread (see reactor::~reactor), and joins the threads. In a
    /// forked child it does nothing: the threads are the parent's.
    ~runtime();

    std::size_t size() const noexcept;
    /// `index` is less than size(). A call that is posted while nothing runs waits for the next run.
    bight::reactor& reactor(std::size_t index) const noexcept;
    /// The index of the reactor that runs on this thread; size() when it is none of these.
    std::size_t index_here() const noexcept;

    /// Copies `root` for each reactor, calls `root(index)` or `root()` there, and runs the tasks that it
    /// makes, one on each; returns when all of them have ended. The copies are kept until then, so a lambda
    /// that captures is safe; what it captures by reference is shared by all the threads. A reactor whose
    /// task has ended goes on with what else it has (posted calls, tasks given to reactor::start) until the
    /// last has.
    ///
    /// For a task<void> or a task<int> it gives an exit status, like bight::run: 0, or the first int in the
    /// order of the reactors that is not 0; 1 when a task failed, after the errors went to the error handler,
    /// or when tasks were stopped; 128 + n when signal n stopped them. For any other T: the values, in the
    /// order of the reactors; errors are thrown (several as an aggregate_error), and `interrupted` or
    /// run_cancelled when tasks were stopped.
    ///
    /// The error of one stops all in good order. So does a stop of any one of the reactors, and the first
    /// SIGINT or SIGTERM; the second stops without patience, the third exits at once. Throws
    /// std::logic_error when it is called where a reactor runs (it blocks), while it runs already, and in a
    /// forked child, which has none of the threads.
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

    /// reactor::stop, or stop_now, for all of them: the first reactor hears of it, and tells the others. One
    /// that comes before run ends that run, and tasks of other reactors may have begun by then. Thread: any,
    /// and a signal handler too.
    void stop() noexcept;
    void stop_now() noexcept;

  private:
    int run_for_status(detail::shard_roots& roots);
    void run_or_throw(detail::shard_roots& roots);

    detail::runtime_state* state_;
};

}  // namespace bight
