// What tests call of POSIX and Windows has not at all: the test case that calls it is skipped, by name and
// with the reason. support/catch.hpp includes it.
#pragma once

#include "support/processor_sets.hpp"
#include "support/skip.hpp"

#include "posix.hpp"

#include <pthread.h>
#include <signal.h>

#define SIGKILL 9
#define SIGUSR1 10
#define SIGPIPE 13
#define SIGALRM 14
#define SIGCHLD 17

#define RLIMIT_NOFILE 7
#define RLIMIT_CORE 4
#define RLIMIT_MEMLOCK 8
#define SA_RESTART 0

#define WIFEXITED(status) ((status) == 0)
#define WEXITSTATUS(status) (status)

using rlim_t = unsigned long long;
struct rlimit {
    rlim_t rlim_cur;
    rlim_t rlim_max;
};

struct sigaction {
    void (*sa_handler)(int);
    int sa_flags;
    int sa_mask;
};

namespace test::posix {

[[noreturn]] inline pid_t fork() { skip("Windows has no fork()"); }
inline int waitpid(pid_t, int*, int) { return -1; }
inline int kill(pid_t, int) { return -1; }
inline unsigned alarm(unsigned) { return 0; }
[[noreturn]] inline int getrlimit(int, rlimit*) { skip("Windows has no limits like those of setrlimit()"); }
inline int setrlimit(int which, const rlimit*) {
    if (which == RLIMIT_CORE) return 0;  // no core is written in any case
    skip("Windows has no limits like those of setrlimit()");
}
[[noreturn]] inline int gettid() { skip("Windows has no threads in /proc"); }
[[noreturn]] inline int mkfifo(const char*, int) { skip("Windows has no named pipes in the file system"); }
[[noreturn]] inline int symlink(const char*, const char*) {
    skip("Windows gives symbolic links to administrators only");
}
[[noreturn]] inline int sigaction(int, const struct ::sigaction*, struct ::sigaction*) {
    skip("Windows has no signals that interrupt a thread");
}

}  // namespace test::posix

using test::posix::alarm;
using test::posix::fork;
using test::posix::getrlimit;
using test::posix::gettid;
using test::posix::kill;
using test::posix::mkfifo;
using test::posix::setrlimit;
using test::posix::sigaction;
using test::posix::symlink;
using test::posix::waitpid;

#define MFD_CLOEXEC 1
[[noreturn]] inline int memfd_create(const char*, unsigned) { test::skip("only Linux has memfd_create()"); }

#define F_DUPFD_CLOEXEC (test::skip("Windows chooses the numbers of sockets"), 1030)

inline unsigned geteuid() { return 1; }

using sigset_t = _sigset_t;
inline int sigemptyset(sigset_t*) { return 0; }
inline int sigaddset(sigset_t*, int) { return 0; }
#undef pthread_sigmask
inline int pthread_sigmask(int, const sigset_t*, sigset_t*) { return 0; }
