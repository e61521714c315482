// generator<T>: an asynchronous generator: a coroutine that yields items and may await in between.
#pragma once

#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/generator/detail/generator.hpp>

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

/// A coroutine that gives items with `co_yield` and may `co_await` in between: an asynchronous generator.
///
///     bight::generator<std::string> words(bight::stream peer);
///
///     auto all = words(std::move(peer));
///     while (auto word = co_await all.next()) use(*word);
///
/// Lazy: the body begins at the first next(), and runs only while next() is awaited, as a part of the
/// awaiting task. T is an object type, which may be move-only, or an lvalue reference. An item costs no
/// allocation, and any number of items needs only bounded stack.
///
/// An error of the body is thrown by next(), and ends the generator. Cancelling the task while it waits in
/// next() unwinds the body first, then the task. Destroying a generator between two items destroys the body's
/// frame at once: only its destructors run. Destroying or moving a generator while a task waits in next()
/// ends the process with a message.
///
/// Move-only; one task at a time may wait in next(). Thread: the reactor's, like a task.
template <class T>
class [[nodiscard("a generator does nothing until its items are asked for: co_await its next()")]] generator {
    static_assert(!std::is_void_v<T> && !std::is_rvalue_reference_v<T>,
                  "the items of a generator are objects or lvalue references");

  public:
    using promise_type = detail::generator_promise<T>;
    using value_type = T;
    /// std::optional<T>, or a pointer when T is a reference.
    using item_type = typename promise_type::item_type;

    generator(const generator&) = delete;  // a generator is given up to who reads it: std::move(g)
    generator(generator&&) noexcept = default;
    generator& operator=(generator&&) noexcept = default;

    /// `co_await next()` resumes the body up to its next co_yield and gives that item; once the body has
    /// ended it always gives nothing (an empty optional, a null pointer). A referenced item is valid until
    /// the next call. Throws the error that left the body. Throws std::system_error with errc::busy when
    /// another task waits for an item, and changes nothing; with std::errc::operation_canceled when an
    /// earlier next() was cancelled (by a time-out, say), because that unwound the body and its remaining
    /// items are lost. A cancellation takes effect at the next item at the latest.
    detail::next_awaiter<T> next() noexcept { return detail::next_awaiter<T>{frame_}; }

    /// True when the body has ended, however it ended: next() will give no more items.
    bool done() const noexcept { return !frame_.alive(); }

    // Its items come with time, so that no loop over a range can read it.
    void begin() const = delete;  // write while (auto item = co_await items.next())
    void end() const = delete;

  private:
    friend promise_type;
    explicit generator(promise_type& p) noexcept : frame_(p) {}
    detail::generator_handle<T> frame_;
};

namespace detail {

template <class T>
generator<T> generator_promise<T>::get_return_object() noexcept {
    return generator<T>{*this};
}

}  // namespace detail
}  // namespace bight

template <class T, class... Ps>
    requires(bight::detail::over_aligned_parameters<Ps...>)
struct std::coroutine_traits<bight::generator<T>, Ps...> {
    static_assert(!bight::detail::over_aligned_parameters<Ps...>,
                  "a coroutine's parameter may need an alignment of 16 bytes at most: compilers do not align "
                  "coroutine frames further (take it by reference, or as a std::unique_ptr)");
    using promise_type = bight::detail::generator_promise<T>;
};
