// Implementation of bight/sync/semaphore.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

class semaphore;

namespace detail {

class semaphore_waiter : public listed_waiter, public awaiter_base<semaphore_waiter> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    semaphore_waiter(semaphore& of, std::size_t n) noexcept : semaphore_(&of), wanted_(n) {}
    semaphore_waiter(semaphore_waiter&&) noexcept = default;
    ~semaphore_waiter() = default;

    semaphore* semaphore_;
    std::size_t wanted_;

  private:
    friend class bight::semaphore;
    friend awaiter_base<semaphore_waiter>;
    bool suspend(promise_base& p) noexcept;
};

class acquire_awaiter;
class scoped_acquire_awaiter;

}  // namespace detail

}  // namespace bight
