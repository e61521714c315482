// What a shared library of bight offers to the programs that use it.
#pragma once

// Every public header includes this one before any other, so that this is the first error.
#if __cplusplus < 202002L
#error "bight needs C++20: compile with -std=c++20 or later"
#endif

/// Stands in the namespace of every public header: all that such a header declares is exported, because what
/// is inline in it calls the rest. Everything else of the library is hidden. It is said here, and not left to
/// a compiler's flags, so that a program that is compiled with -fvisibility=hidden still finds it.
#if defined(__GNUC__)
#define BIGHT_EXPORT [[gnu::visibility("default")]]
#else
#define BIGHT_EXPORT
#endif
