// What differs between compilers, in one place; each entry names the bug it is for.
#pragma once

#include <bight/core/export.hpp>

#include <bit>
#include <source_location>

// Clang before 19 may keep data of an inlined await_suspend in the coroutine's frame after the frame was
// handed on (LLVM #56301, #65018, #72006).
#if defined(__clang__) && __clang_major__ < 19
#define BIGHT_AWAIT_SUSPEND [[gnu::noinline]]
#else
#define BIGHT_AWAIT_SUSPEND
#endif

// g++ gives a coroutine without a top-level local, and with co_await in a condition, a frame whose promise is
// in the wrong place (GCC PR 106188). bight notices when such a coroutine is created.
#if defined(__GNUC__) && !defined(__clang__)
#define BIGHT_CHECK_FRAME_LAYOUT 1
#else
#define BIGHT_CHECK_FRAME_LAYOUT 0
#endif

// g++ makes the transfer from one coroutine to the next a jump only with -foptimize-sibling-calls (GCC PR
// 100897), which -O2 has. No macro tells of the option: who passes it defines this one, as bight's Meson
// dependency and its pkg-config file do.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE__) && !defined(BIGHT_SIBLING_CALLS)
#error \
    "bight: without -foptimize-sibling-calls g++ -O0 overflows the stack in a long loop of awaits: compile with \
-foptimize-sibling-calls -DBIGHT_SIBLING_CALLS (`pkg-config --cflags bight` and Meson's bight_dep have them)"
#endif

#if !defined(__cpp_exceptions)
#error "bight needs exceptions, by which errors leave tasks: compile without -fno-exceptions"
#endif

// Whether coroutines take their frames from the thread's cache without a call. g++ splits a coroutine before
// it optimises, so a thread's address is never kept across a suspension; clang may keep it (LLVM #47179,
// #63022). Elsewhere than in ELF a thread_local costs a call itself.
#if defined(__GNUC__) && !defined(__clang__) && defined(__ELF__)
#define BIGHT_INLINE_FRAME_POOL 1
#else
#define BIGHT_INLINE_FRAME_POOL 0
#endif

// Clang 20 and later: a coroutine that is awaited in the expression that calls it has its frame within the
// caller's, and costs no allocation at all.
#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(clang::coro_await_elidable)
#define BIGHT_AWAIT_ELIDABLE [[clang::coro_await_elidable]]
#endif
#endif
#ifndef BIGHT_AWAIT_ELIDABLE
#define BIGHT_AWAIT_ELIDABLE
#endif

// Whether every await records the line it stands at, for the tree of tasks and for the traces of errors. One
// store; to be the same in all files of a program.
#ifndef BIGHT_TRACE_AWAITS
#define BIGHT_TRACE_AWAITS 1
#endif

namespace BIGHT_EXPORT bight {
namespace detail {

/// The line of a call as one word: what std::source_location holds. As a default argument of a function that
/// coroutines call implicitly it needs no object of its own; g++ gives every temporary object of an await a
/// place in the frame.
using code_line = decltype(__builtin_source_location());

inline std::source_location location_of(code_line line) noexcept {
    return std::bit_cast<std::source_location>(line);
}

}  // namespace detail
}  // namespace bight
