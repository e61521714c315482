// when_any and race: several tasks at once, until the first is done.
#pragma once

#include <bight/core/when_all.hpp>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

namespace bight {

/// What when_any gives.
template <class... Ts>
struct any_result {
    /// Which task ended first.
    std::size_t index = 0;
    /// The values of all that ended well, the first one's among them: a task that had its result before its
    /// cancellation came through loses nothing.
    std::tuple<std::optional<Ts>...> values;

    any_result() = default;
    any_result(std::size_t first, std::tuple<std::optional<Ts>...>&& all)
        : index(first), values(std::move(all)) {}
};

namespace detail {

template <class T>
std::optional<value_or_nothing<T>> take_if_done(child_job<T>& child) {
    if (child.result() != outcome::value) return std::nullopt;
    return take_value(child);
}

template <class... Ts>
class when_any_awaiter final : public tuple_scope<Ts...> {
  public:
    using tuple_scope<Ts...>::tuple_scope;
    any_result<value_or_nothing<Ts>...> await_resume() {
        if (!this->settled_) this->throw_failures();
        return std::apply(
            [this](auto&... child) {
                return any_result<value_or_nothing<Ts>...>(
                    first_, std::tuple<std::optional<value_or_nothing<Ts>>...>{take_if_done(child)...});
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
class race_awaiter final : public tuple_scope<Ts...> {
  public:
    explicit race_awaiter(task<Ts>&&... tasks) noexcept : tuple_scope<Ts...>(std::move(tasks)...) {
        this->keep_going_ = true;
    }
    std::variant<value_or_nothing<Ts>...> await_resume() {
        if (!this->settled_) this->throw_failures();
        std::optional<std::variant<value_or_nothing<Ts>...>> won;
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

}  // namespace detail

/// Runs all of `awaited` (tasks, or any operations) at once until one ends, then cancels the others and waits
/// for them. Gives the index of the first, and the value of every one that ended well. Throws the error if
/// the first to end failed (several errors as an aggregate_error); a later error goes to the error handler.
template <class... As>
    requires(sizeof...(As) > 0)
detail::when_any_awaiter<detail::awaited_type<As>...> when_any(As... awaited) {
    return detail::when_any_awaiter<detail::awaited_type<As>...>{detail::to_task(std::move(awaited))...};
}

/// Runs all of `awaited` at once until one succeeds, then cancels the others and waits for them: gives the
/// winner's value, in a variant whose index says which it was. Errors of losers are dropped; when all fail,
/// their errors are thrown. Values of losers that came too late are dropped: where that must not be, use
/// when_any.
template <class... As>
    requires(sizeof...(As) > 0)
detail::race_awaiter<detail::awaited_type<As>...> race(As... awaited) {
    return detail::race_awaiter<detail::awaited_type<As>...>{detail::to_task(std::move(awaited))...};
}

}  // namespace bight
