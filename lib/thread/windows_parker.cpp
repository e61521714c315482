// parker of Windows, of what needs no destructor: with mingw-w64, that of a thread_local variable finds its
// memory freed (GCC PR 80816).
#include <bight/thread/detail/parker.hpp>

#include <windows.h>

#include <type_traits>

namespace bight::detail {

struct parker::contents {
    SRWLOCK lock = SRWLOCK_INIT;
    CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT;
    bool let_go = false;
};

parker& parker::of_this_thread() {
    static_assert(std::is_trivially_destructible_v<contents> && std::is_trivially_destructible_v<parker>);
    static thread_local contents here;
    static thread_local parker mine(here);
    return mine;
}

void parker::park() noexcept {
    ::AcquireSRWLockExclusive(&contents_.lock);
    while (!contents_.let_go) {
        ::SleepConditionVariableSRW(&contents_.changed, &contents_.lock, INFINITE, 0);
    }
    contents_.let_go = false;
    ::ReleaseSRWLockExclusive(&contents_.lock);
}

// Notifies while holding the lock, so that the other thread cannot go on and end before this is done.
void parker::unpark() noexcept {
    ::AcquireSRWLockExclusive(&contents_.lock);
    contents_.let_go = true;
    ::WakeConditionVariable(&contents_.changed);
    ::ReleaseSRWLockExclusive(&contents_.lock);
}

}  // namespace bight::detail
