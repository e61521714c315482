// job_result: storage for the result of a callable.
#pragma once

#include <bight/core/export.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Stores what a callable returned until it is taken.
template <class R>
class job_result {
  public:
    template <class F>
    void from(F& f) {
        value_.emplace(std::invoke(f));
    }
    R take() { return std::move(*value_); }
    void clear() noexcept { value_.reset(); }

  private:
    std::optional<R> value_;
};
template <class R>
class job_result<R&> {
  public:
    template <class F>
    void from(F& f) {
        value_ = std::addressof(std::invoke(f));
    }
    R& take() noexcept { return *value_; }
    void clear() noexcept {}

  private:
    R* value_ = nullptr;
};
template <>
class job_result<void> {
  public:
    template <class F>
    void from(F& f) {
        std::invoke(f);
    }
    void take() noexcept {}
    void clear() noexcept {}
};

}  // namespace detail
}  // namespace bight
