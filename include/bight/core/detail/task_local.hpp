// Implementation of bight/core/task_local.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// The value that the running task sees for `key`: the innermost binding on the way to the root, or null.
const void* find_task_local(const void* key) noexcept;

/// A child job with one binding.
template <class T, class V>
class binding_job final : public child_job_base<T> {
  public:
    binding_job(task<T>&& t, const void* key, V&& value)
        : child_job_base<T>(std::move(t)), key_(key), value_(std::move(value)) {}
    binding_job(binding_job&&) = default;

  private:
    const void* find_local(const void* key) const noexcept override {
        return key == key_ ? &value_ : nullptr;
    }
    const void* key_;
    V value_;
};

template <class T, class V>
class [[nodiscard("co_await it"), gnu::warn_unused]] binding_awaiter final
    : public scope,
      public awaiter_base<binding_awaiter<T, V>> {
  public:
    binding_awaiter(task<T>&& t, const void* key, V&& value) : child_(std::move(t), key, std::move(value)) {}

    T await_resume() { return child_.take(); }

    void cancel() noexcept override { child_.request_cancel(); }
    void describe(std::string& out) const override { out += "a task with a value of its own"; }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    friend awaiter_base<binding_awaiter>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        if (!begin(p)) return std::noop_coroutine();
        return child_.launch_now(*this, home(), owner());
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        owner().adopt_trace(child_);
        return conclude(child_.result() == outcome::cancelled);
    }
    binding_job<T, V> child_;
};

}  // namespace detail

}  // namespace bight
