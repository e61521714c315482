// Implementation of bight/generator/map_concurrent.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/group.hpp>
#include <bight/core/task.hpp>
#include <bight/generator/generator.hpp>
#include <bight/generator/generator_adaptors.hpp>
#include <bight/generator/merge.hpp>

#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Limits the number of calls in progress. One task waits for room.
class call_window {
  public:
    /// Throws std::invalid_argument when `limit` is zero.
    explicit call_window(std::size_t limit);
    /// May be moved only before it is used.
    call_window(call_window&& other) noexcept : limit_(other.limit_) {}

    class [[nodiscard("co_await it"), gnu::warn_unused]] awaiter final : public waiter,
                                                                         public awaiter_base<awaiter> {
      public:
        explicit awaiter(call_window& w) noexcept : window_(w) {}
        void await_resume() const noexcept {}
        void cancel() noexcept override;
        void describe(std::string& out) const override { out += "one of its concurrent calls to end"; }

      private:
        friend class call_window;
        friend awaiter_base<awaiter>;
        bool suspend(promise_base& p) noexcept { return begin(p) ? look() : true; }
        bool look() noexcept;
        call_window& window_;
    };

    /// Counts as a call in progress while it lives.
    class place {
      public:
        explicit place(call_window& w) noexcept : window_(w) {}
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() { window_.leave(); }

      private:
        call_window& window_;
    };

    awaiter room() noexcept { return awaiter{*this}; }
    /// Counts the call that is about to be started, after room().
    void enter() noexcept { ++used_; }

  private:
    void leave() noexcept;
    std::size_t limit_;
    std::size_t used_ = 0;
    awaiter* waiting_ = nullptr;
};

template <class T, class U, class F>
task<> call_and_offer(fan_in& to, call_window& under_way, F& call, T item) {
    const call_window::place here(under_way);
    offer out(to);
    auto awaited = std::invoke(call, std::move(item));
    U result = co_await std::move(awaited);
    co_await out.of(std::addressof(result));
}

template <class T, class F>
task<> call_for(call_window& under_way, F& call, T item) {
    const call_window::place here(under_way);
    auto awaited = std::invoke(call, std::move(item));
    co_await std::move(awaited);
}

/// Reads the source, and starts a call for each item as soon as there is room.
template <class T, class U, class F>
class map_crew {
  public:
    map_crew(generator<T>&& source, std::size_t limit, F&& call)
        : source_(std::move(source)), under_way_(limit), call_(std::move(call)) {}
    task<> operator()(fan_in& to, group& crew) {
        for (;;) {
            co_await under_way_.room();
            auto item = co_await source_.next();
            if (!item) co_return;
            under_way_.enter();
            crew.spawn(call_and_offer<T, U>(to, under_way_, call_, *std::move(item)));
        }
    }

  private:
    generator<T> source_;
    call_window under_way_;
    F call_;
};

template <class T, class F>
class each_crew {
  public:
    each_crew(generator<T>&& source, std::size_t limit, F&& call)
        : source_(std::move(source)), under_way_(limit), call_(std::move(call)) {}
    task<> operator()(group& crew) {
        for (;;) {
            co_await under_way_.room();
            auto item = co_await source_.next();
            if (!item) co_return;
            under_way_.enter();
            crew.spawn(call_for<T>(under_way_, call_, *std::move(item)));
        }
    }

  private:
    generator<T> source_;
    call_window under_way_;
    F call_;
};

template <class T, class F>
task<> run_each(each_crew<T, F> calls) {
    co_await with_group([&calls](group& g) -> task<> { return calls(g); });
}

/// False where it has said what is wrong: then nothing else is to be compiled.
template <class T, class F>
consteval bool check_concurrent_call() {
    constexpr bool owned = !std::is_reference_v<T>;
    static_assert(owned,
                  "a source goes on while its items are worked on, so that references to them would dangle");
    if constexpr (!std::is_invocable_v<F&, T&&>) {
        static_assert(
            never<F>,
            "the function is called with one item, as an rvalue of the type that the generator or the "
            "range gives, and takes no such argument: take it by value");
        return false;
    } else {
        constexpr bool awaitable = bight_awaitable<called<F, T>>;
        static_assert(
            awaitable,
            "the callable gives something to await, a task for one: for an ordinary function write a "
            "loop, or [](auto item) -> bight::task<> { ... }");
        refuse_temporaries<F, T>();
        return owned && awaitable;
    }
}

template <class T, class F>
auto map_several(group& scope, generator<T> source, std::size_t limit, F f, bool in_order) {
    if constexpr (check_concurrent_call<T, F>()) {
        using result = settled_call<F, T>;
        constexpr bool object = std::is_object_v<result>;
        static_assert(object, "the task gives an object; for_each_concurrent is for those that give nothing");
        if constexpr (object) {
            return gathered<result>(scope, map_crew<T, result, F>(std::move(source), limit, std::move(f)),
                                    in_order);
        } else {
            return refused_operation();
        }
    } else {
        return refused_operation();
    }
}

}  // namespace detail

}  // namespace bight
