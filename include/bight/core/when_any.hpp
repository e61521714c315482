// when_any, race: run several tasks concurrently until the first ends, or the first succeeds.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/when_all.hpp>

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace BIGHT_EXPORT bight {

/// What when_any gives.
template <class... Ts>
struct any_result {
    /// Which task ended first.
    std::size_t index = 0;
    /// The values of all tasks that succeeded, including the first: a task that finished before its
    /// cancellation took effect loses nothing.
    std::tuple<std::optional<Ts>...> values;

    /// The value of task number `I`, or null when it has none:
    ///
    ///     auto got = co_await bight::when_any(lines.next(), peers.receive());
    ///     if (auto* line = got.get<0>()) …
    ///
    /// Several may have one. For a task<void> it is a std::monostate, which says that the task succeeded.
    template <std::size_t I>
    auto* get() & noexcept {
        static_assert(I < sizeof...(Ts), "when_any was given fewer tasks than that: they are counted from 0");
        auto& value = std::get<I>(values);
        return value ? std::addressof(*value) : nullptr;
    }
    template <std::size_t I>
    const auto* get() const& noexcept {
        static_assert(I < sizeof...(Ts), "when_any was given fewer tasks than that: they are counted from 0");
        const auto& value = std::get<I>(values);
        return value ? std::addressof(*value) : nullptr;
    }
    template <std::size_t I>
    const std::tuple_element_t<I, std::tuple<Ts...>>* get() const&& noexcept {
        static_assert(
            I > sizeof...(Ts),
            "the value would be gone before it is used: write auto got = co_await when_any(...), and "
            "then if (auto* value = got.get<0>())");
        return nullptr;
    }

    any_result() = default;
    any_result(std::size_t first, std::tuple<std::optional<Ts>...>&& all)
        : index(first), values(std::move(all)) {}
};

/// What when_any gives for a range of tasks.
template <class T>
struct any_of_range {
    /// Which task ended first.
    std::size_t index = 0;
    /// The values of all tasks that succeeded, in the order of the range.
    std::vector<std::optional<T>> values;

    any_of_range() = default;
    any_of_range(std::size_t first, std::vector<std::optional<T>>&& all)
        : index(first), values(std::move(all)) {}
};

/// What race gives for a range of tasks.
template <class T>
struct winner {
    std::size_t index = 0;
    T value;

    winner(std::size_t first, T&& v) : index(first), value(std::move(v)) {}
};

namespace detail {

template <class T>
std::optional<kept_value_t<T>> take_if_done(child_job<T>& child) {
    if (child.result() != outcome::value) return std::nullopt;
    return take_value(child);
}

/// Warns that the value of a task is dropped; `scope` is the coroutine that awaits when_any.
void value_dropped(const promise_base& scope, std::size_t index) noexcept;

/// Called when the first task to end has failed: warns if `child`, which ended in the same turn, has a value,
/// which is lost.
template <class T>
void tell_if_dropped(const child_job<T>& child, const promise_base& scope, std::size_t index) noexcept {
    if constexpr (!std::is_void_v<T>) {
        if (child.result() == outcome::value) value_dropped(scope, index);
    }
}

template <class... Ts>
class [[nodiscard("co_await it"), gnu::warn_unused]] when_any_awaiter final : public tuple_scope<Ts...> {
  public:
    using tuple_scope<Ts...>::tuple_scope;
    any_result<kept_value_t<Ts>...> await_resume() {
        if (!this->settled_) {
            std::size_t index = 0;
            std::apply([&](auto&... child) { (tell_if_dropped(child, this->promise(), index++), ...); },
                       this->children_);
            this->throw_failures();
        }
        return std::apply(
            [this](auto&... child) {
                return any_result<kept_value_t<Ts>...>(
                    first_, std::tuple<std::optional<kept_value_t<Ts>>...>{take_if_done(child)...});
            },
            this->children_);
    }

  private:
    void child_succeeded(job& child) noexcept override {
        if (std::exchange(this->settled_, true)) return;
        first_ = this->index_of(child);
        this->cancel_children();
    }
    std::size_t first_ = 0;
};

template <class... Ts>
class [[nodiscard("co_await it"), gnu::warn_unused]] race_awaiter final : public tuple_scope<Ts...> {
  public:
    explicit race_awaiter(task<Ts>&&... tasks) noexcept : tuple_scope<Ts...>(std::move(tasks)...) {
        this->keep_going_ = true;
    }
    std::variant<kept_value_t<Ts>...> await_resume() {
        if (!this->settled_) this->throw_failures();
        std::optional<std::variant<kept_value_t<Ts>...>> won;
        take_winner(won, std::index_sequence_for<Ts...>{});
        return std::move(*won);
    }

  private:
    void child_succeeded(job& child) noexcept override {
        if (std::exchange(this->settled_, true)) return;
        first_ = this->index_of(child);
        this->cancel_children();
    }
    template <class Variant, std::size_t... Is>
    void take_winner(std::optional<Variant>& won, std::index_sequence<Is...>) {
        ((Is == first_ ? void(won.emplace(std::in_place_index<Is>, take_value(std::get<Is>(this->children_))))
                       : void()),
         ...);
    }
    std::size_t first_ = 0;
};

template <class R>
auto jobs_of_some(R&& tasks) {
    auto jobs = jobs_of(std::forward<R>(tasks));
    if (jobs.empty()) throw std::invalid_argument("when_any and race need at least one task");
    return jobs;
}

/// A list of tasks of which the first success counts.
template <class T>
class first_of_list : public list_scope<T> {
  public:
    using list_scope<T>::list_scope;

  protected:
    ~first_of_list() = default;
    std::size_t first_ = 0;

  private:
    void child_succeeded(job& child) noexcept override {
        if (std::exchange(this->settled_, true)) return;
        first_ = this->index_of(child);
        this->cancel_children();
    }
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] when_any_list_awaiter final : public first_of_list<T> {
  public:
    using first_of_list<T>::first_of_list;
    any_of_range<kept_value_t<T>> await_resume() {
        if (!this->settled_) {
            std::size_t index = 0;
            for (auto& child : this->children_) tell_if_dropped(child, this->promise(), index++);
            this->throw_failures();
        }
        std::vector<std::optional<kept_value_t<T>>> values;
        values.reserve(this->children_.size());
        for (auto& child : this->children_) values.push_back(take_if_done(child));
        return {this->first_, std::move(values)};
    }
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] race_list_awaiter final : public first_of_list<T> {
  public:
    explicit race_list_awaiter(std::vector<child_job<T>>&& children) noexcept
        : first_of_list<T>(std::move(children)) {
        this->keep_going_ = true;
    }
    winner<kept_value_t<T>> await_resume() {
        if (!this->settled_) this->throw_failures();
        return {this->first_, take_value(this->children_[this->first_])};
    }
};

}  // namespace detail

/// Runs all of `awaited` (tasks, or any operations) concurrently until one ends, then cancels the others and
/// waits for them. Gives the index of the first to end, and the value of every task that succeeded. If the
/// first to end failed, its error is thrown (several errors as an aggregate_error), and the value of a task
/// that succeeded in the same turn is dropped, with a warning in the log; otherwise later errors go to the
/// error handler. The value of a task<T&> is a std::reference_wrapper<T>, here and with race.
template <class... As>
    requires(sizeof...(As) > 0 && (!detail::range_of_tasks<As> && ...))
detail::when_any_awaiter<detail::awaited_type<As>...> when_any(As... awaited) {
    return detail::when_any_awaiter<detail::awaited_type<As>...>{detail::to_task(std::move(awaited))...};
}

/// The same for a range of tasks of one type, which are taken out of it. Throws std::invalid_argument when it
/// is empty.
template <class R>
    requires detail::range_of_tasks<std::remove_cvref_t<R>>
detail::when_any_list_awaiter<detail::range_value<std::remove_cvref_t<R>>> when_any(R&& tasks) {
    return detail::when_any_list_awaiter<detail::range_value<std::remove_cvref_t<R>>>{
        detail::jobs_of_some(std::forward<R>(tasks))};
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto when_any(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {},
              detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "when_any(a, b, ...) takes tasks or other operations of bight (a function or a lambda is called "
        "first, work() for work; with_timeout sets a limit), or one range of tasks: "
        "when_any(std::move(tasks))");
    return detail::refused_operation();
}

/// Runs all of `awaited` concurrently until one succeeds, then cancels the others and waits for them. Gives
/// the winner's value, in a variant whose index says which task it was. Errors of the losers are dropped;
/// when all fail, their errors are thrown. A cancellation from outside that cuts one of them short is passed
/// on, whether or not others have failed. Values of losers that finish too late are dropped: use when_any
/// where none may be lost.
template <class... As>
    requires(sizeof...(As) > 0 && (!detail::range_of_tasks<As> && ...))
detail::race_awaiter<detail::awaited_type<As>...> race(As... awaited) {
    return detail::race_awaiter<detail::awaited_type<As>...>{detail::to_task(std::move(awaited))...};
}

/// The same for a range of tasks of one type, which are taken out of it: gives the winner's index and value.
/// Throws std::invalid_argument when it is empty.
template <class R>
    requires detail::range_of_tasks<std::remove_cvref_t<R>>
detail::race_list_awaiter<detail::range_value<std::remove_cvref_t<R>>> race(R&& tasks) {
    return detail::race_list_awaiter<detail::range_value<std::remove_cvref_t<R>>>{
        detail::jobs_of_some(std::forward<R>(tasks))};
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto race(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {},
          detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "race(a, b, ...) takes tasks or other operations of bight (a function or a lambda is called "
        "first, work() for work; with_timeout sets a limit), or one range of tasks: race(std::move(tasks))");
    return detail::refused_operation();
}

}  // namespace bight
