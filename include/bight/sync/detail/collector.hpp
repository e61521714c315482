// Implementation of bight/sync/collector.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

class collection;

/// Stands for the T of a collector that is written without one, to say so.
struct result_not_named {};

template <class T, class F, class... Args>
concept gives_task_of = std::is_invocable_r_v<task<T>, std::decay_t<F>&, std::decay_t<Args>...>;

/// A task's place in the line of results; a local variable of its coroutine. In order, it stands in line from
/// its construction, otherwise from the end of the task on.
class [[nodiscard("co_await it"), gnu::warn_unused]] result_place final : public waiter,
                                                                          public awaiter_base<result_place>,
                                                                          public list_hook<result_place> {
  public:
    explicit result_place(collection& of) noexcept;
    result_place(const result_place&) = delete;
    result_place& operator=(const result_place&) = delete;
    ~result_place();

    /// Waits until `result`, which must not move meanwhile, has been taken.
    result_place&& give(void* result) noexcept {
        result_ = result;
        return std::move(*this);
    }
    void await_resume() const noexcept {}
    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "its result to be taken"; }

  private:
    friend class collection;
    friend awaiter_base<result_place>;
    bool suspend(promise_base& p) noexcept;

    collection& of_;
    void* result_ = nullptr;
    bool listed_ = false;
    bool waits_ = false;
};

/// Waits for the next result.
class result_waiter : public listed_waiter, public awaiter_base<result_waiter> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "the next result of a collector"; }

  protected:
    explicit result_waiter(collection& from) noexcept : from_(&from) {}
    result_waiter(result_waiter&&) noexcept = default;
    ~result_waiter() = default;
    void rethrow_error() const {
        if (error_) std::rethrow_exception(error_);
    }
    virtual void put(void* result) = 0;

  private:
    friend class collection;
    friend awaiter_base<result_waiter>;
    bool suspend(promise_base& p) noexcept;

    collection* from_;
    std::exception_ptr error_;
    bool listed_ = false;
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] next_result_awaiter final : public result_waiter {
  public:
    explicit next_result_awaiter(collection& from) noexcept : result_waiter(from) {}
    next_result_awaiter(next_result_awaiter&& other) noexcept : result_waiter(std::move(other)) {}
    std::optional<T> await_resume() {
        rethrow_error();
        return std::move(taken_);
    }

  private:
    void put(void* result) override { taken_.emplace(std::move(*static_cast<T*>(result))); }
    std::optional<T> taken_;
};

/// Shared by a collector and its tasks. The last of them deletes it.
class collection : public pooled {
  public:
    explicit collection(bool in_order) noexcept : in_order_(in_order) {}
    collection(const collection&) = delete;
    collection& operator=(const collection&) = delete;

    std::size_t running() const noexcept { return running_; }
    void collector_gone() noexcept;
    void task_spawned() noexcept { ++running_; }
    void task_gone() noexcept;

  private:
    friend class result_place;
    friend class result_waiter;
    ~collection() = default;

    result_place* first_that_waits() const noexcept;
    void stand_in_line(result_place& p) noexcept;
    void leave_line(result_place& p) noexcept;
    void hand_over(result_place& from, result_waiter& to) noexcept;
    void serve_waiters() noexcept;

    intrusive_list<result_place> line_;
    wait_list<result_waiter> waiters_;
    std::size_t running_ = 0;
    bool in_order_;
    bool dropped_ = false;  // the collector is gone
};

/// Counts as a task of a collection from the spawn until all that the task held has been destroyed.
class collected_task {
  public:
    explicit collected_task(collection& of) noexcept : of_(&of) { of.task_spawned(); }
    collected_task(collected_task&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    collected_task& operator=(const collected_task&) = delete;
    ~collected_task() {
        if (of_) of_->task_gone();
    }
    collection& operator*() const noexcept { return *of_; }

  private:
    collection* of_;
};

template <class T, class F, class... Args>
task<> collect(collected_task mine, F f, Args... args) {
    result_place place(*mine);
    task<T> begun = std::invoke(f, std::move(args)...);
    T result = co_await std::move(begun);
    co_await place.give(std::addressof(result));
}

}  // namespace detail
}  // namespace bight
