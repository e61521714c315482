// refused: overloads that do not compile, and say what to write.
#pragma once

#include <bight/core/export.hpp>

#include <coroutine>
#include <initializer_list>
#include <type_traits>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The parameter of an overload that takes a call which no other overload takes, to say what to write:
///
///     template <class Here = decltype([] {}), bool fits = false>
///     auto f(anything = {}, anything = {}) {
///         static_assert(fits, "f(x, y) takes …");
///         return refused();
///     }
///
/// A conversion by a constructor ranks below every better fit, so that it takes nothing from another
/// function of that name, a user's among them. `Here` is another type in each call, so that each call is
/// reported; the deduced result makes the compiler report it before what follows from it.
struct anything {
    constexpr anything() noexcept = default;
    template <class T>
    constexpr anything(const T&) noexcept {}
    template <class T>
    constexpr anything(std::initializer_list<T>) noexcept {}
};

template <class>
inline constexpr bool never = false;

/// The result of such an overload: it is whatever the caller expects, so that the message is the only one.
struct refused {
    template <class T>
    operator T() const noexcept;
};
/// The same for a reference, which a constructor of such an overload must initialise.
struct refused_reference {
    template <class T>
    operator T&() const noexcept;
};
/// The same where it is to be awaited.
struct [[nodiscard("co_await it")]] refused_operation : refused {
    using bight_awaitable = void;
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<>) const noexcept;
    refused await_resume() const noexcept;
    refused_operation next() const noexcept;
};

}  // namespace detail
}  // namespace bight
