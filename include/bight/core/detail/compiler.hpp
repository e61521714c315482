// Workarounds for compilers; each names the bug that it is for.
#pragma once

#include <bight/core/export.hpp>

#include <bit>
#include <source_location>

// Clang before 19 may keep data of an inlined await_suspend in the coroutine's frame, although another thread
// may already have resumed or destroyed it (LLVM #56301, #65018, #72006).
#if defined(__clang__) && __clang_major__ < 19
#define BIGHT_AWAIT_SUSPEND [[gnu::noinline]]
#else
#define BIGHT_AWAIT_SUSPEND
#endif

// g++ misplaces the promise in the frame of a coroutine that has no top-level local variable and a co_await
// in a condition (GCC PR 106188). bight detects this when such a coroutine is created.
#if defined(__GNUC__) && !defined(__clang__)
#define BIGHT_CHECK_FRAME_LAYOUT 1
#else
#define BIGHT_CHECK_FRAME_LAYOUT 0
#endif

// g++ compiles the transfer from one coroutine to the next as a jump only with -foptimize-sibling-calls (GCC
// PR 100897), which -O2 includes. No predefined macro shows that option, so whoever passes it also defines
// BIGHT_SIBLING_CALLS, as bight's Meson dependency, pkg-config file and CMake target do.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE__) && !defined(BIGHT_SIBLING_CALLS)
#error \
    "bight: without -foptimize-sibling-calls g++ -O0 overflows the stack in a long loop of awaits: compile with \
-foptimize-sibling-calls -DBIGHT_SIBLING_CALLS (`pkg-config --cflags bight`, Meson's bight_dep and CMake's \
bight::bight have them)"
#endif

#if !defined(__cpp_exceptions)
#error "bight needs exceptions, by which errors leave tasks: compile without -fno-exceptions"
#endif

// Whether coroutines take their frames from the thread's cache without a function call. g++ splits a
// coroutine before it optimises, so the address of a thread_local is never kept across a suspension; clang
// may keep it (LLVM #47179, #63022). Outside ELF a thread_local costs a call anyway.
#if defined(__GNUC__) && !defined(__clang__) && defined(__ELF__)
#define BIGHT_INLINE_FRAME_POOL 1
#else
#define BIGHT_INLINE_FRAME_POOL 0
#endif

// In clang 20 and later a coroutine that is awaited in the expression that calls it has its frame inside the
// caller's frame, and costs no allocation.
#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(clang::coro_await_elidable)
#define BIGHT_AWAIT_ELIDABLE [[clang::coro_await_elidable]]
#endif
#endif
#ifndef BIGHT_AWAIT_ELIDABLE
#define BIGHT_AWAIT_ELIDABLE
#endif

// Whether every await records its line, for the tree of tasks and for the traces of errors. It costs one
// store. The value must be the same in all files of a program.
#ifndef BIGHT_TRACE_AWAITS
#define BIGHT_TRACE_AWAITS 1
#endif

namespace BIGHT_EXPORT bight {
namespace detail {

/// The line of a call as one word: the pointer that a std::source_location holds. g++ gives every temporary
/// object of an await a place in the frame; as the default argument of a function that coroutines call
/// implicitly, this word needs none.
using code_line = decltype(__builtin_source_location());

inline std::source_location location_of(code_line line) noexcept {
    return std::bit_cast<std::source_location>(line);
}

}  // namespace detail
}  // namespace bight
