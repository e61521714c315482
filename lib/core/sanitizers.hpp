// BIGHT_UNDER_ASAN, _TSAN, _MSAN: the sanitizer that the library is compiled with, 1 or 0 each.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BIGHT_UNDER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define BIGHT_UNDER_TSAN 1
#endif
#if __has_feature(memory_sanitizer)
#define BIGHT_UNDER_MSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) && !defined(BIGHT_UNDER_ASAN)
#define BIGHT_UNDER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(BIGHT_UNDER_TSAN)
#define BIGHT_UNDER_TSAN 1
#endif

#ifndef BIGHT_UNDER_ASAN
#define BIGHT_UNDER_ASAN 0
#endif
#ifndef BIGHT_UNDER_TSAN
#define BIGHT_UNDER_TSAN 0
#endif
#ifndef BIGHT_UNDER_MSAN
#define BIGHT_UNDER_MSAN 0
#endif
