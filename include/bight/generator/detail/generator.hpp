// Implementation of bight/generator/generator.hpp.
#pragma once

#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

template <class T>
class generator;

namespace detail {

[[noreturn]] void throw_generator_busy();
[[noreturn]] void throw_generator_cancelled();
/// Ends the process: a generator was destroyed or moved while a task waits for its next item.
[[noreturn]] void misused_generator() noexcept;

/// The result of next(): an optional, or a pointer where the items are references.
template <class T>
struct generator_item {
    using type = std::optional<T>;
    template <class U>
    static constexpr bool lasts = true;
    template <class U>
    static void put(type& into, U&& value) {
        into.emplace(std::forward<U>(value));
    }
};
template <class T>
struct generator_item<T&> {
    using type = T*;
    // A temporary in the co_yield expression lives until the next item is asked for; a temporary that U is
    // converted to does not.
    template <class U>
    static constexpr bool lasts =
        std::is_convertible_v<std::remove_reference_t<U>*, T*> || gives_reference<U, T>;
    static void put(type& into, T& value) noexcept { into = std::addressof(value); }
};

/// Suspends a generator at co_yield, and resumes the task that waits for the item.
struct yield_to_consumer {
    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
        return h.promise().parent()->self();
    }
    void await_resume() const noexcept {}
};

template <class T>
class generator_promise final : public promise_base {
  public:
    using item_type = typename generator_item<T>::type;

    generator_promise() noexcept = default;
    generator<T> get_return_object() noexcept;
    void return_void() const noexcept {}

    /// Constructs the item where the consumer takes it from; what the constructor throws is thrown at the
    /// co_yield.
    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    yield_to_consumer yield_value(U&& value) {
        static_assert(
            generator_item<T>::template lasts<U>,
            "a generator of references would give one to a temporary that is gone before its consumer "
            "sees it: co_yield an object of the item's own type, or make it a generator of values");
        // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): it does not run before a consumer has set it.
        generator_item<T>::put(*into_, std::forward<U>(value));
        return {};
    }

    template <class U>
        requires(!std::is_constructible_v<T, U &&>)
    yield_to_consumer yield_value(U&&) noexcept {
        static_assert(
            never<U>,
            "the value of co_yield does not convert to an item, the T of generator<T>: convert it, give "
            "what moves only as std::move(x), and what is still to be awaited as co_yield co_await work()");
        return {};
    }

    /// Null while no task waits for an item.
    item_type* into() const noexcept { return into_; }
    void into(item_type* place) noexcept { into_ = place; }

  private:
    item_type* into_ = nullptr;
};

/// Owns the frame of a generator. While next() is awaited the frame is part of the consumer's chain: when
/// that unwinds, the frame is destroyed first, and the job clears `handle_`.
template <class T>
class generator_handle {
  public:
    using promise_type = generator_promise<T>;

    explicit generator_handle(promise_type& p) noexcept : handle_(p.self()), promise_(&p) {}
    generator_handle(generator_handle&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), promise_(std::exchange(other.promise_, nullptr)) {
        if (busy()) misused_generator();
    }
    generator_handle& operator=(generator_handle&& other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
            promise_ = std::exchange(other.promise_, nullptr);
            if (busy()) misused_generator();
        }
        return *this;
    }
    ~generator_handle() { reset(); }

    bool alive() const noexcept { return static_cast<bool>(handle_); }
    bool busy() const noexcept { return handle_ && promise_->into(); }
    /// The body was unwound by a cancellation: it has neither ended nor failed.
    bool cut_short() const noexcept { return !handle_ && promise_; }
    promise_type& promise() const noexcept { return *promise_; }
    std::coroutine_handle<>& handle() noexcept { return handle_; }

    void reset() noexcept {
        if (busy()) misused_generator();
        promise_ = nullptr;
        if (auto h = std::exchange(handle_, nullptr)) h.destroy();
    }

  private:
    std::coroutine_handle<> handle_;
    promise_type* promise_;
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] next_awaiter final : public waiter {
  public:
    using item_type = typename generator_item<T>::type;

    explicit next_awaiter(generator_handle<T>& from) noexcept : from_(&from) {}
    next_awaiter(next_awaiter&& other) noexcept : waiter(std::move(other)), from_(other.from_) {}

    bool await_ready() {
        if (from_->busy()) throw_generator_busy();
        if (from_->cut_short()) throw_generator_cancelled();
        return !from_->alive();
    }

    /// Each item costs one unit of the task's budget, so that a generator which never awaits does not starve
    /// other tasks, and its consumer can be cancelled at each item.
    template <class P>
    BIGHT_AWAIT_SUSPEND std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
        if (!begin(h.promise())) return std::noop_coroutine();
        from_->promise().join_chain(h.promise(), from_->handle());
        from_->promise().into(&item_);
        if (finish_now()) return std::noop_coroutine();
        return from_->handle();
    }

    item_type await_resume() {
        if (!from_->alive()) return {};
        from_->promise().into(nullptr);
        if (item_) return std::move(item_);
        const std::exception_ptr error = from_->promise().error();
        from_->reset();
        if (error) std::rethrow_exception(error);
        return {};
    }

    void cancel() noexcept override {}  // never suspended as a waiter: what the body awaits is
    void describe(std::string& out) const override { out += "an item of a generator"; }

  private:
    /// The task's turn has come again after its budget was used up.
    void run() noexcept override {
        enter(promise().where());
        from_->handle().resume();
    }

    generator_handle<T>* from_;
    item_type item_{};
};

}  // namespace detail

}  // namespace bight
