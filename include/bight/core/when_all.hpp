// when_all: runs several tasks concurrently and waits for all of them.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <cstddef>
#include <functional>
#include <iterator>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace BIGHT_EXPORT bight {

/// Stands for the result of a task<void> in a tuple.
using void_value = std::monostate;

namespace detail {

template <class T>
using value_or_void = std::conditional_t<std::is_void_v<T>, void_value, T>;

/// The type that stores a T where a reference cannot be: in an optional, a variant, a vector.
template <class T>
struct kept_value {
    using type = value_or_void<T>;
};
template <class T>
struct kept_value<T&> {
    using type = std::reference_wrapper<T>;
};
template <class T>
using kept_value_t = typename kept_value<T>::type;

template <class T>
value_or_void<T> take_value(child_job<T>& child) {
    if constexpr (std::is_void_v<T>) {
        child.take();
        return {};
    } else {
        return child.take();
    }
}

/// Counts its children, cancels the rest when one fails, and collects the errors in order.
class gathering_scope : public scope {
  protected:
    gathering_scope() noexcept = default;
    gathering_scope(gathering_scope&&) noexcept = default;
    ~gathering_scope() = default;
    std::coroutine_handle<> child_finished(job& child) noexcept override;
    void child_freed() noexcept override;
    virtual void cancel_children() noexcept = 0;
    virtual std::exception_ptr error_of(job& child) noexcept = 0;
    /// Called when a child has succeeded; when_any and race then cancel the others.
    virtual void child_succeeded(job& child) noexcept { (void)child; }
    void throw_failures() const { errors_.throw_all(); }

    void cancel() noexcept override { cancel_children(); }

    std::size_t running_ = 0;
    std::size_t freeing_ = 0;  // children that have ended, and still have their frames
    error_list errors_;
    bool keep_going_ = false;  // an error does not cancel the others
    bool settled_ = false;     // a success has decided the outcome: later ones change nothing
    bool child_cancelled_ = false;

  private:
    bool cut_short() const noexcept;
};

template <class... Ts>
class tuple_scope : public gathering_scope, public awaiter_base<tuple_scope<Ts...>> {
  public:
    tuple_scope(tuple_scope&&) noexcept = default;
    explicit tuple_scope(task<Ts>&&... tasks) noexcept : children_(std::move(tasks)...) {}

    void describe(std::string& out) const override { out += std::to_string(sizeof...(Ts)) + " tasks"; }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        std::apply([&](const auto&... child) { (visit(child, context), ...); }, children_);
    }

  protected:
    ~tuple_scope() = default;
    void cancel_children() noexcept override {
        std::apply([](auto&... child) { (child.request_cancel(), ...); }, children_);
    }
    std::exception_ptr error_of(job& wanted) noexcept override {
        std::exception_ptr error;
        std::apply([&](auto&... child) { ((&child == &wanted ? void(error = child.error()) : void()), ...); },
                   children_);
        return error;
    }
    std::size_t index_of(const job& wanted) const noexcept {
        std::size_t index = 0;
        std::size_t at = 0;
        std::apply(
            [&](const auto&... child) { ((&child == &wanted ? void(index = at) : void(), ++at), ...); },
            children_);
        return index;
    }
    std::tuple<child_job<Ts>...> children_;

  private:
    friend awaiter_base<tuple_scope>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        running_ = sizeof...(Ts);
        std::apply([this](auto&... child) { (child.launch(*this, home(), owner()), ...); }, children_);
        return true;
    }
};

template <class... Ts>
class [[nodiscard("co_await it"), gnu::warn_unused]] when_all_awaiter final : public tuple_scope<Ts...> {
  public:
    using tuple_scope<Ts...>::tuple_scope;
    std::tuple<value_or_void<Ts>...> await_resume() {
        this->throw_failures();
        return std::apply(
            [](auto&... child) { return std::tuple<value_or_void<Ts>...>{take_value(child)...}; },
            this->children_);
    }
};

/// Children of one type, any number of them.
template <class T>
class list_scope : public gathering_scope, public awaiter_base<list_scope<T>> {
  public:
    list_scope(list_scope&&) noexcept = default;
    explicit list_scope(std::vector<child_job<T>>&& children) noexcept : children_(std::move(children)) {}

    void describe(std::string& out) const override { out += std::to_string(children_.size()) + " tasks"; }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        for (const auto& child : children_) visit(child, context);
    }

  protected:
    ~list_scope() = default;
    void cancel_children() noexcept override {
        for (auto& child : children_) child.request_cancel();
    }
    std::exception_ptr error_of(job& wanted) noexcept override {
        return static_cast<child_job<T>&>(wanted).error();
    }
    std::size_t index_of(const job& wanted) const noexcept {
        return static_cast<std::size_t>(&static_cast<const child_job<T>&>(wanted) - children_.data());
    }
    std::vector<child_job<T>> children_;

  private:
    friend awaiter_base<list_scope>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        if (children_.empty()) return finish_now();
        running_ = children_.size();
        for (auto& child : children_) child.launch(*this, home(), owner());
        return true;
    }
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] when_all_list_awaiter final : public list_scope<T> {
  public:
    using list_scope<T>::list_scope;
    auto await_resume() {
        this->throw_failures();
        if constexpr (!std::is_void_v<T>) {
            std::vector<kept_value_t<T>> values;
            values.reserve(this->children_.size());
            for (auto& child : this->children_) values.push_back(child.take());
            return values;
        }
    }
};

template <class R>
using range_reference = decltype(*std::begin(std::declval<R&>()));

template <class T>
struct task_value;
template <class T>
struct task_value<task<T>> {
    using type = T;
};

/// A range whose elements are tasks.
template <class R>
concept range_of_tasks =
    !bight_awaitable<R> && requires { typename task_value<std::remove_cvref_t<range_reference<R>>>::type; };

template <class R>
using range_value = typename task_value<std::remove_cvref_t<range_reference<R>>>::type;

/// Whether a copy of the range would copy the tasks, which cannot be: a container, and not a view.
template <class R>
concept owns_tasks = std::is_const_v<std::remove_reference_t<range_reference<const R>>>;

/// Moves the tasks out of the range, which is taken over first if it is given up.
template <class G>
std::vector<child_job<range_value<std::remove_cvref_t<G>>>> jobs_of(G&& given) {
    using range = std::remove_cvref_t<G>;
    std::vector<child_job<range_value<range>>> jobs;
    constexpr bool given_up = !std::is_lvalue_reference_v<G> || !owns_tasks<range>;
    static_assert(given_up,
                  "the tasks of a range are moved out of it: give up one that has a name, std::move(tasks)");
    if constexpr (given_up) {
        range tasks(std::forward<G>(given));
        if constexpr (requires { tasks.size(); }) jobs.reserve(tasks.size());
        for (auto&& t : tasks) jobs.emplace_back(std::move(t));
    }
    return jobs;
}

}  // namespace detail

/// Runs all of `awaited` (tasks, or any operations) concurrently, and gives a tuple of their values
/// (`void_value` for a task<void>). They start in order, in the next turn. When one throws, the others are
/// cancelled and waited for, and its error is thrown; if more than one failed, an aggregate_error with all of
/// them.
template <class... As>
    requires(sizeof...(As) > 0 && (!detail::range_of_tasks<As> && ...))
detail::when_all_awaiter<detail::awaited_type<As>...> when_all(As... awaited) {
    return detail::when_all_awaiter<detail::awaited_type<As>...>{detail::to_task(std::move(awaited))...};
}

/// The same for a range of tasks of one type (a vector, an array, …), which are taken out of it: gives a
/// vector of their values (std::reference_wrapper for a task<T&>), in the order of the range; nothing for
/// task<void>. An empty range is done at once.
template <class R>
    requires detail::range_of_tasks<std::remove_cvref_t<R>>
detail::when_all_list_awaiter<detail::range_value<std::remove_cvref_t<R>>> when_all(R&& tasks) {
    return detail::when_all_list_awaiter<detail::range_value<std::remove_cvref_t<R>>>{
        detail::jobs_of(std::forward<R>(tasks))};
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto when_all(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {},
              detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "when_all(a, b, ...) takes tasks or other operations of bight (a function or a lambda is called "
        "first, work() for work; with_timeout sets a limit), or one range of tasks: "
        "when_all(std::move(tasks))");
    return detail::refused_operation();
}

}  // namespace bight
