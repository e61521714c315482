// shield: a stretch that a cancellation waits for.
#pragma once

#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/shield.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Runs `awaited` to its end even when this task is cancelled meanwhile, or was before; but once it is
/// cancelled, for at most `deadline` longer: then `awaited` is cancelled too. Its result is delivered, and
/// this task is cancelled at its next await. reactor::stop_now (the second SIGINT) brings the deadline at
/// once.
template <class A>
detail::shield_awaiter<detail::awaited_type<A>> shield(A awaited, duration deadline) noexcept(
    noexcept(detail::to_task(std::move(awaited)))) {
    return {detail::to_task(std::move(awaited)), deadline};
}

}  // namespace bight
