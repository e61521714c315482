// Detects coroutines that refer to temporaries or lambda objects of their callers.
#pragma once

#include <bight/core/detail/task_promise.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <type_traits>

namespace BIGHT_EXPORT bight {
namespace detail {

template <class T>
consteval const char* name_of_type() {
    return __PRETTY_FUNCTION__;
}

/// Whether T is the type of a lambda expression. While the lambda's body is compiled, only the name of the
/// type is known. g++ calls it "f()::<lambda(int)>", clang "(lambda at file:1:2)"; the name of a template
/// over a lambda type contains that name.
template <class T>
consteval bool is_lambda() {
    std::string_view name = name_of_type<T>();
    name.remove_prefix(name.find("T = ") + 4);
    name.remove_suffix(1);  // "]"
    if (name.starts_with("(lambda at ")) return true;
    const auto lambda = name.rfind("<lambda(");
    if (lambda == name.npos) return false;
    std::size_t open = 0;
    for (std::size_t i = lambda; i < name.size(); ++i) {
        if (name[i] == '<' || name[i] == '(') ++open;
        if ((name[i] == '>' || name[i] == ')') && --open == 0) {
            name.remove_prefix(i + 1);
            return name.find_first_of("<>(),") == name.npos;
        }
    }
    return false;
}

/// Whether a parameter of type P can refer to a temporary.
template <class P>
inline constexpr bool binds_temporaries =
    std::is_reference_v<P> && !std::is_function_v<std::remove_reference_t<P>> &&
    (std::is_rvalue_reference_v<P> ||
     (std::is_const_v<std::remove_reference_t<P>> && !std::is_volatile_v<std::remove_reference_t<P>>));

/// Bit i is set when parameter i can refer to a temporary.
template <class... Ps>
consteval std::uint64_t lending_parameters() {
    std::uint64_t mask = 0;
    std::size_t i = 0;
    ((mask |= binds_temporaries<Ps> && i < 64 ? std::uint64_t{1} << i : 0, ++i), ...);
    return mask;
}

/// Stand in for the type of a lambda: there is none, or there is one whose type does not matter.
struct no_lambda {};
struct some_lambda {};

/// The lambda whose body a coroutine with these parameters is: the first parameter of a member function is
/// the object, by reference. Clang passes the lambda object to the promise's constructor only in generic
/// lambdas, so with clang the promise must know its type. With g++, one promise type serves all lambdas.
template <class... Ps>
struct lambda_of_parameters {
    using type = no_lambda;
};
template <class P, class... Rest>
    requires(std::is_lvalue_reference_v<P> && is_lambda<std::remove_cvref_t<P>>())
struct lambda_of_parameters<P, Rest...> {
#ifdef __clang__
    using type = std::remove_cvref_t<P>;
#else
    using type = some_lambda;
#endif
};
template <class... Ps>
using lambda_of = typename lambda_of_parameters<Ps...>::type;

/// Stands for the address of a lambda whose address is not known.
inline constexpr char somewhere = 0;

/// The promise of a coroutine that refers to an object of its caller which may be destroyed first. Its
/// constructor gets the coroutine's parameters and records the address of one: the lambda, or the object
/// nearest to the top of the stack, which is the likeliest to be destroyed first. It adds no members, because
/// handles treat it as its base class.
template <class T, std::uint64_t Lending, class Lambda>
class borrowing_promise final : public task_promise<T> {
  public:
    template <class... As>
    explicit borrowing_promise(As&&... parameters) noexcept {
        static_assert(sizeof(borrowing_promise) == sizeof(task_promise<T>));
        if constexpr (std::is_same_v<Lambda, no_lambda>) {
            note<Lending>(parameters...);
        } else {
            note_lambda(parameters...);
        }
    }

  private:
    void note_lambda() noexcept { note_unknown_lambda(); }
    template <class A, class... Rest>
    void note_lambda(A& first, Rest&... rest) noexcept {
        if constexpr (std::is_same_v<Lambda, some_lambda> || std::is_same_v<std::remove_const_t<A>, Lambda>) {
            if constexpr (std::is_empty_v<A>) {
                note<(Lending >> 1)>(rest...);
            } else {
                this->borrow(borrowing::callable, __builtin_addressof(first));
            }
        } else {
            note_unknown_lambda(first, rest...);
        }
    }
    template <class... As>
    void note_unknown_lambda(As&... parameters) noexcept {
        if constexpr (std::is_empty_v<Lambda>) {
            note<(Lending >> 1)>(parameters...);
        } else {
            this->borrow(borrowing::callable, &somewhere);
        }
    }

    template <std::uint64_t Mask>
    void note() noexcept {}
    template <std::uint64_t Mask, class A, class... Rest>
    void note(A& parameter, Rest&... rest) noexcept {
        if constexpr ((Mask & 1) != 0 && may_go<A>()) {
            this->borrow(borrowing::reference, __builtin_addressof(parameter));
        }
        note<(Mask >> 1)>(rest...);
    }

    // A string literal lasts for ever, and an object without members has nothing to lose.
    template <class A>
    static consteval bool may_go() {
        if constexpr (std::is_array_v<A>) {
            return !std::is_same_v<std::remove_extent_t<A>, const char>;
        } else if constexpr (requires { sizeof(A); }) {
            return !std::is_empty_v<A>;
        } else {
            return true;
        }
    }
};

/// The parameters of a callable that has a single, non-template call operator.
template <class F>
struct declared_parameters {
    static constexpr bool known = false;
};
template <class... Ps>
struct parameter_list {
    static constexpr bool known = true;
    /// Whether a stored argument would be converted to a temporary that a reference parameter binds to.
    template <class... Stored>
    static consteval bool make_temporaries();
    /// Whether the last parameter can refer to a temporary.
    static consteval bool last_binds_temporaries() {
        bool last = false;
        ((last = binds_temporaries<Ps>), ...);
        return last;
    }
};
template <class R, class... Ps>
struct declared_parameters<R (*)(Ps...)> : parameter_list<Ps...> {};
template <class R, class... Ps>
struct declared_parameters<R (*)(Ps...) noexcept> : parameter_list<Ps...> {};

// One specialisation for each combination of const and noexcept.
template <class M>
struct member_parameters {
    static constexpr bool known = false;
};
template <class R, class C, class... Ps>
struct member_parameters<R (C::*)(Ps...)> : parameter_list<Ps...> {};
template <class R, class C, class... Ps>
struct member_parameters<R (C::*)(Ps...) const> : parameter_list<Ps...> {};
template <class R, class C, class... Ps>
struct member_parameters<R (C::*)(Ps...) noexcept> : parameter_list<Ps...> {};
template <class R, class C, class... Ps>
struct member_parameters<R (C::*)(Ps...) const noexcept> : parameter_list<Ps...> {};

template <class F>
    requires requires { &F::operator(); }
struct declared_parameters<F> : member_parameters<decltype(&F::operator())> {};

template <class Stored>
struct referred {
    using type = Stored;
};
template <class X>
struct referred<std::reference_wrapper<X>> {
    using type = X;
};

/// Whether a parameter of type P, initialised from a stored object, refers to a temporary made for it.
template <class P, class Stored>
consteval bool is_made_for() {
    if constexpr (!binds_temporaries<P>) {
        return false;
    } else {
        using wanted = std::remove_reference_t<P>;
        return !std::is_convertible_v<Stored*, wanted*> &&
               !std::is_convertible_v<typename referred<Stored>::type*, wanted*> &&
               !requires(Stored& s) { s.operator wanted&(); };
    }
}

template <class... Ps>
template <class... Stored>
consteval bool parameter_list<Ps...>::make_temporaries() {
    if constexpr (sizeof...(Ps) == sizeof...(Stored)) {
        return (is_made_for<Ps, Stored>() || ...);
    } else {
        return false;  // default arguments, or an ellipsis
    }
}

// For a pointer to a member function: `Object` is not one of the declared parameters.
template <class F, class Object, class... Stored>
consteval bool member_call_leaves_temporaries() {
    if constexpr (member_parameters<F>::known) {
        return member_parameters<F>::template make_temporaries<Stored...>();
    } else {
        return false;
    }
}

/// Whether calling a stored callable with stored arguments leaves its task with a reference to a temporary
/// that ends with the call.
template <class F, class... Stored>
consteval bool call_leaves_temporaries() {
    if constexpr (std::is_member_function_pointer_v<F>) {
        return member_call_leaves_temporaries<F, Stored...>();
    } else if constexpr (declared_parameters<F>::known) {
        return declared_parameters<F>::template make_temporaries<Stored...>();
    } else {
        return false;
    }
}

/// Refuses such a call at compile time, for functions that await the task after the full expression of the
/// call.
template <class F, class... Stored>
consteval void refuse_temporaries() {
    static_assert(
        !call_leaves_temporaries<F, Stored...>(),
        "the call would have to make a temporary for a parameter that is a reference, and its task "
        "outlives it: give an argument of the parameter's own type (std::string(\"text\") for a const "
        "std::string&), or take the parameter by value");
}

/// Whether F takes its last parameter by reference, where the last argument is an object that is destroyed
/// after the call.
template <class F>
consteval bool takes_last_by_reference() {
    if constexpr (member_parameters<F>::known) {
        return member_parameters<F>::last_binds_temporaries();
    } else if constexpr (declared_parameters<F>::known) {
        return declared_parameters<F>::last_binds_temporaries();
    } else {
        return false;
    }
}

}  // namespace detail
}  // namespace bight

template <class T, class... Ps>
    requires(bight::detail::lending_parameters<Ps...>() != 0 ||
             !std::is_same_v<bight::detail::lambda_of<Ps...>, bight::detail::no_lambda> ||
             bight::detail::over_aligned_parameters<Ps...>)
struct std::coroutine_traits<bight::task<T>, Ps...> {
    static_assert(!bight::detail::over_aligned_parameters<Ps...>,
                  "a coroutine's parameter may need an alignment of 16 bytes at most: compilers do not align "
                  "coroutine frames further (take it by reference, or as a std::unique_ptr)");
    using promise_type = bight::detail::borrowing_promise<T, bight::detail::lending_parameters<Ps...>(),
                                                          bight::detail::lambda_of<Ps...>>;
};
