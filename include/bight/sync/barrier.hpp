// barrier: a cyclic barrier for tasks, with a completion function for each phase.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/sync/detail/barrier.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A cyclic barrier: a fixed number of tasks arrive, wait until all have arrived, and go on to the next
/// phase. The barrier can be used again at once.
///
///     bight::barrier phase(3, [&] { std::swap(now, next); });
///     …
///     co_await phase.arrive_and_wait();
///
/// `Completion` is called once in each phase, by the last arrival, before any task goes on. It does not
/// await, and must not use the barrier. If it throws, the last arrival throws that error; for the others the
/// phase ends normally.
///
/// Destroying it while tasks wait ends the process with a message. Thread: the reactor's; another thread's
/// use is caught in debug builds.
template <class Completion = detail::no_completion>
class barrier final : public detail::barrier_base {
  public:
    /// `participants` tasks take part. Throws std::invalid_argument for 0.
    explicit barrier(std::size_t participants, Completion completion = Completion())
        : barrier_base(participants), completion_(std::move(completion)) {}

  private:
    void complete() override { completion_(); }
    [[no_unique_address]] Completion completion_;
};

}  // namespace bight
