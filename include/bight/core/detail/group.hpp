// Implementation of bight/core/group.hpp.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/spawned_jobs.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

class group;
class spawned_task;

namespace detail {

/// A task started in a group.
class group_job : public spawned_job<group_job> {
  public:
    virtual ~group_job() {
        if (handle_) tell_handle();
    }
    void describe(std::string& out) const override { out += "a task of a group"; }

  protected:
    group_job() noexcept = default;

  private:
    friend class bight::group;
    friend class bight::spawned_task;
    std::coroutine_handle<> finished() noexcept override;
    void reap() noexcept override;

    /// The group, which is what the parent waits for.
    group& owner() const noexcept;
    void tell_handle() noexcept;

    spawned_task* handle_ = nullptr;
};

/// Keeps the callable and the arguments given to spawn until their task has ended.
template <class F, class... Args>
class group_call final : public group_job {
  public:
    template <class G, class... As>
    explicit group_call(G&& f, As&&... args)
        : callable_(std::forward<G>(f)), args_(std::forward<As>(args)...) {}
    task<> make() {
        return std::apply([this](Args&... args) { return std::invoke(callable_, std::move(args)...); },
                          args_);
    }

  private:
    F callable_;
    std::tuple<Args...> args_;
};

class group_plain final : public group_job {};

template <class F, class... Args>
concept spawnable = std::is_invocable_r_v<task<>, std::decay_t<F>&, std::decay_t<Args>...>;

}  // namespace detail

}  // namespace bight
