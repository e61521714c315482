// The limits of ThreadSanitizer.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define BIGHT_TEST_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BIGHT_TEST_UNDER_TSAN 1
#endif
#endif
#ifndef BIGHT_TEST_UNDER_TSAN
#define BIGHT_TEST_UNDER_TSAN 0
#endif

namespace test {

/// ThreadSanitizer starts no threads in a child that was forked from a program with several.
inline constexpr bool forked_children_have_threads = !BIGHT_TEST_UNDER_TSAN;

/// ThreadSanitizer delivers a signal at the program's next call that it intercepts: a thread that waits in
/// another call, such as liburing's, is not interrupted.
inline constexpr bool signals_interrupt_every_call = !BIGHT_TEST_UNDER_TSAN;

/// ThreadSanitizer reports a handler of a signal that takes memory: a seed's process that crashes or hangs
/// does not tell where.
inline constexpr bool handlers_may_allocate = !BIGHT_TEST_UNDER_TSAN;
inline constexpr const char* no_reports_from_handlers =
    "under ThreadSanitizer a process does not report how it ends";

}  // namespace test
