// without_sigpipe: keeps the process alive when the reader of what it writes is gone.
#pragma once

#if !defined(_WIN32)
#include <signal.h>
#endif

namespace bight::detail {

#if defined(_WIN32)

struct without_sigpipe {};  // which Windows has not

#else

/// Blocks SIGPIPE on this thread while it lives, and takes the one that came meanwhile.
class without_sigpipe {
  public:
    without_sigpipe() noexcept {
        sigemptyset(&only_);
        sigaddset(&only_, SIGPIPE);
        was_pending_ = is_pending();
        ::pthread_sigmask(SIG_BLOCK, &only_, &before_);
    }
    without_sigpipe(const without_sigpipe&) = delete;
    without_sigpipe& operator=(const without_sigpipe&) = delete;
    ~without_sigpipe() {
        int taken = 0;
        if (!was_pending_ && is_pending()) ::sigwait(&only_, &taken);
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

  private:
    static bool is_pending() noexcept {
        sigset_t pending;
        sigemptyset(&pending);
        ::sigpending(&pending);
        return sigismember(&pending, SIGPIPE) == 1;
    }
    sigset_t only_;
    sigset_t before_;
    bool was_pending_;
};

#endif

}  // namespace bight::detail
