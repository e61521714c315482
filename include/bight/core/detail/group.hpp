// Implementation of bight/core/group.hpp: what its operations are made of.
#pragma once


#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

class group;

namespace detail {

/// A task started in a group. It frees itself when it has ended.
class group_job : public job, public pooled {
  public:
    virtual ~group_job() = default;
    void describe(std::string& out) const override { out += "a task of a group"; }

  protected:
    group_job() noexcept = default;

  private:
    friend class bight::group;
    std::coroutine_handle<> finished() noexcept override;
    void reap() noexcept override;

    /// What the parent waits for.
    group& owner() const noexcept;
    group_job* next_ = nullptr;
    group_job* previous_ = nullptr;
    task_handle<void> task_;
};

/// Keeps what was given to spawn until the task that it made has ended.
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
