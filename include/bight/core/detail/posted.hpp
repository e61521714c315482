// The stored calls of reactor::post and reactor::start.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A callable posted to a reactor by any thread.
class posted {
  public:
    posted() noexcept = default;
    posted(const posted&) = delete;
    posted& operator=(const posted&) = delete;
    virtual ~posted() = default;
    virtual void call() = 0;
    posted* next = nullptr;
};

template <class F>
class posted_call final : public posted {
  public:
    explicit posted_call(F f) : callable_(std::move(f)) {}
    void call() override { callable_(); }

  private:
    F callable_;
};

/// Keeps a callable and its arguments until their task has ended.
template <class F, class... Args>
task<> call_stored(F f, Args... args) {
    co_await f(std::move(args)...);
}

}  // namespace detail
}  // namespace bight
