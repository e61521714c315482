// tool_annotations: tells sanitizers and valgrind what they cannot see for themselves. They know what a
// system call reads and writes; of an io_uring they see neither the calls nor their memory, and a buffer that
// is kept for reuse looks to them like one in use. Nothing of this is left in an ordinary build.
#pragma once

#include "../core/sanitizers.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

#if BIGHT_UNDER_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if BIGHT_UNDER_MSAN
#include <sanitizer/msan_interface.h>
#endif
#if defined(__linux__) && BIGHT_UNDER_TSAN
#include <sys/socket.h>
#include <sys/uio.h>
#endif
#if BIGHT_HAS_VALGRIND
#include <valgrind/memcheck.h>
#endif

#if defined(__linux__) && (BIGHT_UNDER_ASAN || BIGHT_UNDER_TSAN || BIGHT_UNDER_MSAN)
#define BIGHT_HAS_SYSTEM_CALL_HOOKS 1
// What sanitizers offer to code that makes system calls past the C library: sanitizer/linux_syscall_hooks.h,
// which g++ does not install. ThreadSanitizer looks for races on these bytes, AddressSanitizer whether they
// may be used, MemorySanitizer whether they have values, as in the call itself.
extern "C" {
// NOLINTBEGIN(*-identifier*)
void __sanitizer_syscall_pre_impl_write(long fd, long bytes, long count);
void __sanitizer_syscall_pre_impl_read(long fd, long bytes, long count);
void __sanitizer_syscall_post_impl_read(long result, long fd, long bytes, long count);
void __sanitizer_syscall_pre_impl_close(long fd);
// NOLINTEND(*-identifier*)
}
#else
#define BIGHT_HAS_SYSTEM_CALL_HOOKS 0
#endif

namespace bight::detail {

/// Before a submission that reads these bytes.
inline void kernel_will_read([[maybe_unused]] const void* bytes, [[maybe_unused]] std::size_t size) noexcept {
#if BIGHT_HAS_SYSTEM_CALL_HOOKS
    __sanitizer_syscall_pre_impl_write(-1, reinterpret_cast<long>(bytes), static_cast<long>(size));
#elif BIGHT_HAS_VALGRIND
    (void)VALGRIND_CHECK_MEM_IS_DEFINED(bytes, size);
#endif
}

inline void kernel_will_read_path([[maybe_unused]] const char* path) noexcept {
#if BIGHT_HAS_SYSTEM_CALL_HOOKS || BIGHT_HAS_VALGRIND
    kernel_will_read(path, std::strlen(path) + 1);
#endif
}

/// Before a submission that may write to these bytes.
inline void kernel_will_write([[maybe_unused]] void* bytes, [[maybe_unused]] std::size_t size) noexcept {
#if BIGHT_HAS_SYSTEM_CALL_HOOKS
    __sanitizer_syscall_pre_impl_read(-1, reinterpret_cast<long>(bytes), static_cast<long>(size));
#elif BIGHT_HAS_VALGRIND
    (void)VALGRIND_CHECK_MEM_IS_ADDRESSABLE(bytes, size);
#endif
}

/// After a completion: so many bytes have values now. A negative `count`, an error, is none.
inline void kernel_has_written([[maybe_unused]] void* bytes, [[maybe_unused]] std::int64_t count) noexcept {
#if BIGHT_HAS_SYSTEM_CALL_HOOKS
    __sanitizer_syscall_post_impl_read(count, -1, reinterpret_cast<long>(bytes), count);
#elif BIGHT_HAS_VALGRIND
    if (count > 0) (void)VALGRIND_MAKE_MEM_DEFINED(bytes, count);
#endif
}

/// Before the submission that closes a descriptor: its number may then stand for another.
inline void kernel_will_close([[maybe_unused]] int fd) noexcept {
#if BIGHT_HAS_SYSTEM_CALL_HOOKS
    __sanitizer_syscall_pre_impl_close(fd);
#endif
}

#if defined(__linux__) && BIGHT_UNDER_TSAN
/// For ThreadSanitizer all sockets are one object, which orders threads: what came before a send in one comes
/// before what follows a receive in another. So any socket that it knows stands for those of a ring, of which
/// it does not see how they were accepted.
inline const int any_socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
#endif

/// Before a submission or a plain call that sends through a socket, or connects one. A write of nothing does
/// nothing but to tell ThreadSanitizer; connect, which has an order of its own with accept(2), fails.
inline void socket_will_send() noexcept {
#if defined(__linux__) && BIGHT_UNDER_TSAN
    (void)::writev(any_socket, nullptr, 0);
#endif
}
inline void socket_will_connect() noexcept {
#if defined(__linux__) && BIGHT_UNDER_TSAN
    socket_will_send();
    (void)::connect(any_socket, nullptr, 0);
#endif
}
/// After a completion or a plain call that has received something, or accepted a connection; a negative
/// `result` is an error.
inline void socket_has_received([[maybe_unused]] std::int64_t result) noexcept {
#if defined(__linux__) && BIGHT_UNDER_TSAN
    if (result >= 0) (void)::readv(any_socket, nullptr, 0);
#endif
}

/// Valgrind does not know all that a kernel does.
inline bool on_valgrind() noexcept {
#if BIGHT_HAS_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/// Valgrind lets no other thread run, and no signal in, while one is in io_uring_enter: a ring must wait in
/// another call there.
inline bool enter_must_not_wait() noexcept { return on_valgrind(); }

/// While it lives, valgrind reports nothing of this thread: for a call that is right, and looks wrong.
class [[maybe_unused]] unreported {
  public:
    unreported() noexcept {
#if BIGHT_HAS_VALGRIND
        VALGRIND_DISABLE_ERROR_REPORTING;
#endif
    }
    unreported(const unreported&) = delete;
    unreported& operator=(const unreported&) = delete;
    ~unreported() {
#if BIGHT_HAS_VALGRIND
        VALGRIND_ENABLE_ERROR_REPORTING;
#endif
    }
};

/// A buffer is kept for reuse: who uses it now uses what was returned.
inline void buffer_kept([[maybe_unused]] void* bytes, [[maybe_unused]] std::size_t size) noexcept {
#if BIGHT_UNDER_ASAN
    __asan_poison_memory_region(bytes, size);
#elif BIGHT_HAS_VALGRIND
    (void)VALGRIND_MAKE_MEM_NOACCESS(bytes, size);
#endif
}

/// A kept buffer is taken for use, or freed. Its bytes have no values yet.
inline void buffer_taken([[maybe_unused]] void* bytes, [[maybe_unused]] std::size_t size) noexcept {
#if BIGHT_UNDER_ASAN
    __asan_unpoison_memory_region(bytes, size);
#elif BIGHT_UNDER_MSAN
    __msan_allocated_memory(bytes, size);
#elif BIGHT_HAS_VALGRIND
    (void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, size);
#endif
}

}  // namespace bight::detail
