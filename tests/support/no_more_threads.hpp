// no_more_threads: while it lives, no thread can be started.
#pragma once

#ifdef _WIN32
#include <windows.h>

#include <cerrno>
#include <cstdint>
#include <utility>
#else
#include <pthread.h>

#include <cstddef>
#include <stdexcept>
#endif

#ifdef _WIN32

/// In the table of what this program imports: the function of the C runtime by which std::thread starts one.
extern "C" void* __imp__beginthreadex;

namespace test {

/// In its place is one that cannot.
class no_more_threads {
  public:
    no_more_threads() : before_(import(reinterpret_cast<void*>(&refuse))) {}
    no_more_threads(const no_more_threads&) = delete;
    no_more_threads& operator=(const no_more_threads&) = delete;
    ~no_more_threads() { import(before_); }

  private:
    using thread_function = unsigned(__stdcall*)(void*);

    static std::uintptr_t __cdecl refuse(void*, unsigned, thread_function, void*, unsigned, unsigned*) {
        errno = EAGAIN;
        return 0;
    }

    // The table may be read-only.
    static void* import(void* function) {
        DWORD protection = 0;
        ::VirtualProtect(&__imp__beginthreadex, sizeof function, PAGE_READWRITE, &protection);
        void* const before = std::exchange(__imp__beginthreadex, function);
        ::VirtualProtect(&__imp__beginthreadex, sizeof function, protection, &protection);
        return before;
    }

    void* before_;
};

}  // namespace test

#else

namespace test {

/// Their stacks would be larger than any address space.
class no_more_threads {
  public:
    no_more_threads() {
        ::pthread_getattr_default_np(&before_);
        pthread_attr_t huge;
        ::pthread_attr_init(&huge);
        ::pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
        if (::pthread_setattr_default_np(&huge) != 0) throw std::runtime_error("cannot set it");
        ::pthread_attr_destroy(&huge);
    }
    no_more_threads(const no_more_threads&) = delete;
    no_more_threads& operator=(const no_more_threads&) = delete;
    ~no_more_threads() {
        ::pthread_setattr_default_np(&before_);
        ::pthread_attr_destroy(&before_);
    }

  private:
    pthread_attr_t before_;
};

}  // namespace test

#endif
