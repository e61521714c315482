// no_sigpipe: for calls that know no MSG_NOSIGNAL.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <ctime>

namespace bight::detail {

/// Suppresses a SIGPIPE caused by a call on this thread; one that was pending before stays.
class no_sigpipe {
  public:
    no_sigpipe() noexcept {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t pending;
        ::sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        if (!was_pending_) ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    no_sigpipe(const no_sigpipe&) = delete;
    no_sigpipe& operator=(const no_sigpipe&) = delete;
    ~no_sigpipe() {
        if (!was_pending_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    void take_back() const noexcept {
        if (was_pending_) return;
#if defined(__APPLE__)  // has no sigtimedwait
        sigset_t pending;
        ::sigpending(&pending);
        int taken = 0;
        if (sigismember(&pending, SIGPIPE) == 1) ::sigwait(&pipe_, &taken);
#else
        const timespec not_at_all{};
        while (::sigtimedwait(&pipe_, nullptr, &not_at_all) < 0 && errno == EINTR) {
        }
#endif
    }

  private:
    sigset_t pipe_;
    sigset_t before_;
    bool was_pending_ = false;
};

}  // namespace bight::detail
