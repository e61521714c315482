// BIGHT_EXPORT: the symbol visibility of the public headers.
#pragma once

// Every public header includes this one before any other, so that this error comes first.
#if __cplusplus < 202002L
#error "bight needs C++20: compile with -std=c++20 or later"
#include <C++20>  // There is no such file: the compiler stops here, before it lists what follows from it.
#endif

/// Marks the namespace in every public header: all that such a header declares is exported, because its
/// inline functions call the rest. Everything else in the library is hidden. The attribute, unlike a compiler
/// flag, also works in a program that is compiled with -fvisibility=hidden. The object files of Windows know no
/// visibility, and a namespace cannot be exported from a DLL: there bight is a static library.
#if defined(__GNUC__) && (defined(__ELF__) || defined(__MACH__))
#define BIGHT_EXPORT [[gnu::visibility("default")]]
#else
#define BIGHT_EXPORT
#endif
