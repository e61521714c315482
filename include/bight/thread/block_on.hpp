// block_on: a plain thread waits for what a reactor's tasks give.
#pragma once

#include <bight/core/detail/blocked_thread.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/job_result.hpp>
#include <bight/core/detail/kept_task.hpp>
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
/// error. For plain threads, while `r` runs on another one. A call that comes before `r` has first run waits
/// until it does.
///
/// Throws std::system_error: errc::wrong_thread on a thread where a reactor runs (on the reactor's own it
/// would wait for itself: await the task instead), and on the one that gives `r` its turns with run_once;
/// errc::closed when `r` has stopped running, or stops or is destroyed before the task began. A task that was
/// cut short by the end of the run throws run_cancelled here: `reactor::run` cancels what block_on has
/// started before it returns, and waits for it, so nobody is left blocked. `r` must exist when block_on is
/// called.
template <class T>
T block_on(reactor& r, task<T> t) {
    return detail::blocked_task<T>(std::move(t)).result_from(r);
}

/// The same for `f()`, called on the reactor's thread: the task that it makes is awaited, any other result is
/// given as it is. `f` stays alive until then: a lambda that captures by reference is safe.
template <class F>
    requires std::invocable<F&>
auto block_on(reactor& r, F&& f) {
    return detail::blocked_function<std::remove_reference_t<F>>(f).result_from(r);
}

}  // namespace bight
