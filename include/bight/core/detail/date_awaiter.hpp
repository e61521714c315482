// Implementation of bight/core/wall_clock.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] date_awaiter final : public waiter,
                                                                          public awaiter_base<date_awaiter>,
                                                                          private timer {
  public:
    explicit date_awaiter(std::chrono::system_clock::time_point date) noexcept : date_(date) {}
    date_awaiter(date_awaiter&& other) noexcept : waiter(std::move(other)), timer(), date_(other.date_) {}

    void await_resume() const noexcept {}
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend awaiter_base<date_awaiter>;
    bool suspend(promise_base& p) noexcept;
    void expired() noexcept override;
    void wait_on() noexcept;

    std::chrono::system_clock::time_point date_;
};

}  // namespace detail
}  // namespace bight
