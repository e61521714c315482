// kept_task: the task of a job, and its result after the frame is freed.
#pragma once

#include <bight/core/detail/job_result.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <exception>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Owns the frame of a task; after free_frame it holds the task's result instead.
template <class T>
class kept_task {
  public:
    kept_task() noexcept = default;
    explicit kept_task(task<T>&& t) noexcept : task_(std::move(t).release()) {}
    kept_task& operator=(task<T>&& t) noexcept {
        task_ = std::move(t).release();
        return *this;
    }

    explicit operator bool() const noexcept { return static_cast<bool>(task_); }
    promise_base& become_root(job& j) noexcept {
        task_.promise().become_root(j, task_.handle());
        return task_.promise();
    }

    /// The task has ended: destroys its frame, with the parameters and all that they hold. Must not be called
    /// from within the task's last suspension. After a cancellation there is no frame.
    void free_frame() noexcept {
        if (!task_) return;
        error_ = task_.promise().error();
        if (error_) {
            task_.reset();
            return;
        }
        try {
            auto take = [this]() -> T { return task_.take(); };
            given_.from(take);
        } catch (...) {  // by moving the value
            error_ = std::current_exception();
        }
    }

    std::exception_ptr error() const noexcept { return task_ ? task_.promise().error() : error_; }
    /// The value, or the error as an exception.
    T take() {
        if (task_) return task_.take();
        if (error_) std::rethrow_exception(error_);
        return given_.take();
    }

  private:
    task_handle<T> task_;
    std::exception_ptr error_;
    [[no_unique_address]] job_result<T> given_;
};

}  // namespace detail
}  // namespace bight
