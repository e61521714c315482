// fiber: a function that runs on a stack of its own, and stops in the middle.
#pragma once

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#include <ucontext.h>
#endif

#include <cstddef>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#define BIGHT_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BIGHT_TEST_ASAN 1
#endif
#endif
#ifdef BIGHT_TEST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace test {

#ifdef _WIN32

/// One of Windows: learn.microsoft.com/windows/win32/procthread/fibers
class fiber {
  public:
    using function = void (*)();

    fiber() = default;
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber() {
        if (own_) ::DeleteFiber(own_);
    }

    /// The next resume() calls `f`, unless this fiber has stopped in the middle of a function.
    void begin(function f) {
        function_ = f;
        if (!own_) own_ = ::CreateFiberEx(0, std::size_t{256} * 1024, 0, &fiber::run, this);
        if (!own_) std::abort();
    }
    /// Goes on in it until it calls suspend(), or its function has returned.
    void resume() {
        caller_ = ::IsThreadAFiber() ? ::GetCurrentFiber() : ::ConvertThreadToFiber(nullptr);
        ::SwitchToFiber(own_);
    }
    /// For its function: goes on where resume() was called.
    void suspend() { ::SwitchToFiber(caller_); }

  private:
    static void WINAPI run(void* self) {
        for (auto& here = *static_cast<fiber*>(self);; here.suspend()) here.function_();
    }

    function function_ = nullptr;
    void* own_ = nullptr;
    void* caller_ = nullptr;
};

#else

/// One of makecontext(3).
class fiber {
  public:
    using function = void (*)();

    fiber() : stack_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
        if (stack_ == MAP_FAILED) std::abort();
    }
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber() { ::munmap(stack_, size); }

    /// The next resume() calls `f`, unless this fiber has stopped in the middle of a function.
    void begin(function f) {
        function_ = f;
        ::getcontext(&own_);
        own_.uc_stack.ss_sp = stack_;
        own_.uc_stack.ss_size = size;
        own_.uc_link = &caller_;
        ::makecontext(&own_, &fiber::run, 0);
    }
    /// Goes on in it until it calls suspend(), or its function has returned.
    void resume() {
        current() = this;
#ifdef BIGHT_TEST_ASAN
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, stack_, size);
#endif
        ::swapcontext(&caller_, &own_);
#ifdef BIGHT_TEST_ASAN
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    }
    /// For its function: goes on where resume() was called.
    void suspend() {
#ifdef BIGHT_TEST_ASAN
        __sanitizer_start_switch_fiber(&fake_stack_, callers_stack_, callers_size_);
#endif
        ::swapcontext(&own_, &caller_);
#ifdef BIGHT_TEST_ASAN
        __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
    }

  private:
    static constexpr std::size_t size = std::size_t{64} * 1024;

    // The one that goes on now. A function for makecontext() is given no pointer.
    static fiber*& current() {
        static fiber* the_one = nullptr;
        return the_one;
    }

    static void run() {
        fiber& here = *current();
#ifdef BIGHT_TEST_ASAN
        __sanitizer_finish_switch_fiber(nullptr, &here.callers_stack_, &here.callers_size_);
#endif
        here.function_();
#ifdef BIGHT_TEST_ASAN
        __sanitizer_start_switch_fiber(nullptr, here.callers_stack_, here.callers_size_);
#endif
        ::swapcontext(&here.own_, &here.caller_);
        std::abort();
    }

    function function_ = nullptr;
    void* stack_;
    ucontext_t own_{};
    ucontext_t caller_{};
#ifdef BIGHT_TEST_ASAN
    void* fake_stack_ = nullptr;
    const void* callers_stack_ = nullptr;
    std::size_t callers_size_ = 0;
#endif
};

#endif

}  // namespace test
