// no_signals: threads of bight's own handle no signal.
#pragma once

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

namespace bight::detail {

#if defined(_WIN32)
/// Windows interrupts no thread by a signal.
struct no_signals {};
#else
/// While it lives, this thread, and those that it makes, handle none but those of what they do themselves
/// (SIGSEGV, …) and of a profiler. So a signal goes to a thread that the program knows of; one that it blocks
/// there, also after bight has made threads, waits for sigwait(3) or signalfd(2) and does not end the process
/// on another thread.
class no_signals {
  public:
    no_signals() noexcept {
        sigset_t most;
        sigfillset(&most);
        for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF}) {
            sigdelset(&most, own);
        }
        ::pthread_sigmask(SIG_BLOCK, &most, &before_);
    }
    no_signals(const no_signals&) = delete;
    no_signals& operator=(const no_signals&) = delete;
    ~no_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};
#endif

}  // namespace bight::detail
