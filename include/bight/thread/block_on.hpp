// block_on: runs a task on a reactor and blocks a plain thread until it has ended.
#pragma once

#include <bight/core/detail/blocked_thread.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/job_result.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/detail/block_on.hpp>
#include <bight/thread/detail/parker.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Runs `t` on the reactor `r`, and blocks this thread until it has ended: gives its value, or throws its
/// error. For plain threads, while `r` runs on another one. A call before the first run of `r` waits for that
/// run.
///
/// Throws std::system_error: errc::wrong_thread on a thread where a reactor runs (on that of `r` it would
/// wait for itself: await the task instead), and on a thread that drives `r` with run_once; errc::closed when
/// `r` has stopped running, or stops or is destroyed before the task has begun. Before `reactor::run` returns
/// it cancels the tasks started by block_on and waits for them, so no thread stays blocked; for a task
/// cancelled in this way block_on throws run_cancelled. `r` must exist when block_on is called.
template <class T>
T block_on(reactor& r, task<T> t) {
    return detail::blocked_task<T>(std::move(t)).result_from(r);
}

/// The same for `f()`, called on the reactor's thread: if it returns a task, that is awaited; any other
/// result is returned as it is. `f` lives until the end, so a lambda that captures by reference is safe.
template <class F>
    requires std::invocable<F&>
auto block_on(reactor& r, F&& f) {
    return detail::blocked_function<std::remove_reference_t<F>>(f).result_from(r);
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto block_on(detail::anything = {}, detail::anything = {}) {
    static_assert(fits,
                  "block_on(reactor, task) takes a reactor that runs on another thread, then a task, or a "
                  "function without arguments: block_on(r, work()); main() has bight::run(work()) instead");
    return detail::refused();
}

}  // namespace bight
