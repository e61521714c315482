// collector: the results of tasks of a group, as they end or in order.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/group.hpp>
#include <bight/core/task.hpp>
#include <bight/sync/detail/collector.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// In which order a collector gives the results.
enum class result_order : std::uint8_t {
    as_they_end,  ///< the first to end comes first
    as_spawned,   ///< a result waits for those of the tasks that were spawned before it
};

/// Spawns tasks in a group, and gives their results to whoever asks for the next one.
///
///     co_await bight::with_group({.limit = 8}, [&](bight::group& g) -> bight::task<> {
///         bight::collector<page> pages(g);
///         for (const auto& url : urls) pages.spawn(fetch, url);
///         while (auto page = co_await pages.next()) use(*page);
///     });
///
/// A result stays in its task until it is taken, and the task counts as one of the group's until then: so
/// `group_options::limit` bounds the results that wait, too, and who takes them slowly slows the tasks down.
/// (With as_spawned, no more tasks begin while `limit` of them wait for one that takes long.) Results take no
/// memory of their own.
///
/// An error of a task is the group's, which cancels all tasks and the body; with_group throws it. A task that
/// is cancelled alone, by its handle, has no result, and the others go on. When the collector is destroyed,
/// results that were not taken are dropped, and so are those that come later; the tasks go on.
///
/// The group must outlive it. Destroying it while a task waits in next() ends the process with a message.
/// Thread: the reactor's.
template <class T>
class collector {
    static_assert(std::is_object_v<T>,
                  "a task of a collector gives an object: spawn the others in the group");
    static_assert(!std::is_same_v<T, detail::result_not_named> && !detail::bight_awaitable<T>,
                  "collector<T> is told what its tasks give: collector<int> results(g) for tasks that are "
                  "a task<int>");

  public:
    explicit collector(group& in, result_order order = result_order::as_they_end)
        : group_(&in), shared_(*new detail::collection(order == result_order::as_spawned)) {}
    // What no other constructor takes.
    template <class... Args>
    explicit collector(Args&&...) : shared_(detail::refused_reference()) {
        constexpr bool fits = sizeof...(Args) > 99;
        static_assert(fits,
                      "collector<T>(group, order) takes the group first, which has a name and outlives it: "
                      "bight::collector<int> results(g, bight::result_order::as_spawned)");
    }
    collector(const collector&) = delete;
    collector& operator=(const collector&) = delete;
    ~collector() { shared_.collector_gone(); }

    /// Spawns `f(args…)`, which gives a task<T>, in the group: see group::spawn for what is stored, for what
    /// it throws, and for the handle.
    template <class F, class... Args>
        requires detail::gives_task_of<T, F, Args...>
    spawned_task spawn(F&& f, Args&&... args) {
        detail::refuse_temporaries<std::decay_t<F>, std::decay_t<Args>...>();
        return group_->spawn(&detail::collect<T, std::decay_t<F>, std::decay_t<Args>...>,
                             detail::collected_task(shared_), std::forward<F>(f),
                             std::forward<Args>(args)...);
    }
    template <class F, class... Args>
        requires(!detail::gives_task_of<T, F, Args...>)
    void spawn(F&&, Args&&...) {
        static_assert(detail::gives_task_of<T, F, Args...>,
                      "spawn(f, arguments...) stores copies of f and of the arguments, and f, called with "
                      "these, must give a task<T> of the collector's type: for a parameter T& write "
                      "std::ref(x), for an overloaded or a template function a lambda that calls it");
    }

    /// Gives the next result, or std::nullopt when there is none and all tasks that were spawned have ended.
    /// Tasks may be spawned afterwards, and give results again. Several tasks may wait: each result goes to
    /// the one that has waited longest. Cancelling the wait loses no result. Throws what moving the result
    /// throws.
    detail::next_result_awaiter<T> next() noexcept { return detail::next_result_awaiter<T>{shared_}; }

    // Its results come with time, so that no loop over a range can read them.
    void begin() const = delete;  // write while (auto result = co_await results.next())
    void end() const = delete;

    /// How many tasks have not ended; those whose results wait are among them.
    std::size_t running() const noexcept { return shared_.running(); }

  private:
    group* group_;
    detail::collection& shared_;
};
// What its tasks give cannot be deduced.
template <class... Args>
collector(const Args&...) -> collector<detail::result_not_named>;

}  // namespace bight
