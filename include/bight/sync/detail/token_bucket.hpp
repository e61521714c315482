// Implementation of bight/sync/token_bucket.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>

#include <cstdint>
#include <string>

namespace BIGHT_EXPORT bight {

class token_bucket;

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] take_tokens_awaiter final
    : public listed_waiter,
      public awaiter_base<take_tokens_awaiter> {
  public:
    take_tokens_awaiter(token_bucket& from, std::uint32_t n) noexcept : bucket_(&from), wanted_(n) {}
    take_tokens_awaiter(take_tokens_awaiter&&) noexcept = default;

    void await_resume() const noexcept {}
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class bight::token_bucket;
    friend awaiter_base<take_tokens_awaiter>;
    bool suspend(promise_base& p) noexcept;

    token_bucket* bucket_;
    std::uint32_t wanted_;
};

}  // namespace detail
}  // namespace bight
