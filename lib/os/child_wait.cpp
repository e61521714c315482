#include "child_wait.hpp"

#include "child_pipe.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>

namespace bight::detail {

namespace {

duration to_duration(const timeval& t) noexcept {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
}

resource_usage to_usage(const rusage& u) noexcept {
#if defined(__APPLE__)
    constexpr std::uint64_t unit = 1;
#else
    constexpr std::uint64_t unit = 1024;
#endif
    resource_usage made;
    made.user_time = to_duration(u.ru_utime);
    made.system_time = to_duration(u.ru_stime);
    made.peak_memory = static_cast<std::uint64_t>(u.ru_maxrss) * unit;
    made.minor_faults = static_cast<std::uint64_t>(u.ru_minflt);
    made.major_faults = static_cast<std::uint64_t>(u.ru_majflt);
    made.voluntary_switches = static_cast<std::uint64_t>(u.ru_nvcsw);
    made.involuntary_switches = static_cast<std::uint64_t>(u.ru_nivcsw);
    return made;
}

process_status to_status(int code, int number, const rusage& used) noexcept {
    if (code == CLD_EXITED) return process_status::exited(number, to_usage(used));
    return process_status::killed(number, code == CLD_DUMPED, to_usage(used));
}

}  // namespace

#if defined(__linux__)

// The call of the kernel tells the usage, too, also of a child that is not reaped.
int query_child(pid_t pid, bool reap, process_status& how) noexcept {
    siginfo_t info{};
    rusage used{};
    long result = 0;
    do {
        result = ::syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | (reap ? 0 : WNOWAIT), &used);
    } while (result < 0 && errno == EINTR);
    if (result < 0) return errno;
    if (info.si_pid == 0) return EAGAIN;
    how = to_status(info.si_code, info.si_status, used);
    return 0;
}

#if defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)

// Linux 5.3 has descriptors of processes, and 5.4 waits for them: EBADF is the answer of one that knows them.
static bool waits_for_pidfds() noexcept {
    static const bool does = [] {
        siginfo_t info{};
        constexpr auto by_descriptor = static_cast<idtype_t>(3);  // P_PIDFD
        constexpr id_t none = 0x7fffffff;
        return ::waitid(by_descriptor, none, &info, WEXITED | WNOHANG) < 0 && errno == EBADF;
    }();
    return does;
}

static int signal_alone(pid_t pid, int pidfd, int signal) noexcept {
    if (pidfd < 0) return ::kill(pid, signal) < 0 ? errno : 0;
    if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return 0;
    const bool refused = errno == ENOSYS || errno == EPERM;  // by a filter, too: then the other call says why
    return !refused ? errno : ::kill(pid, signal) < 0 ? errno : 0;
}

#else

static bool waits_for_pidfds() noexcept { return false; }

static int signal_alone(pid_t pid, int, int signal) noexcept { return ::kill(pid, signal) < 0 ? errno : 0; }

#endif

int open_pidfd(pid_t pid) noexcept {
    if (!waits_for_pidfds()) return -ENOSYS;
#if defined(SYS_pidfd_open)
    const long fd = ::syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : above_standard(static_cast<int>(fd));
#else
    (void)pid;
    return -ENOSYS;
#endif
}

#else

int query_child(pid_t pid, bool reap, process_status& how) noexcept {
    siginfo_t info{};
    rusage used{};
    int result = 0;
    do {
        result = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
    } while (result < 0 && errno == EINTR);
    if (result < 0) return errno;
    if (info.si_pid == 0) return EAGAIN;
    if (reap) {
        int status = 0;
        while (::wait4(pid, &status, 0, &used) < 0 && errno == EINTR) {
        }
    }
    how = to_status(info.si_code, info.si_status, used);
    return 0;
}

static int signal_alone(pid_t pid, int, int signal) noexcept { return ::kill(pid, signal) < 0 ? errno : 0; }

int open_pidfd(pid_t) noexcept { return -ENOSYS; }

#endif

int signal_group(pid_t leader, int signal) noexcept { return ::kill(-leader, signal) < 0 ? errno : 0; }

// Of a group that some member may be sent a signal is enough; a second SIGKILL changes nothing, and tells
// whether the leader may be.
int signal_child(pid_t pid, int pidfd, bool group, int signal) noexcept {
    if (!group) return signal_alone(pid, pidfd, signal);
    const int members = signal_group(pid, signal);
    if (signal != SIGKILL && ::getpgid(pid) == pid) return members;
    const int alone = signal_alone(pid, pidfd, signal);
    return alone == ESRCH ? members : alone;
}

// A filter may refuse them with any of these.
bool has_no_pidfds(int error) noexcept {
    return error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL;
}

bool has_pidfds() noexcept {
    static const bool has = [] {
        const int own = open_pidfd(::getpid());
        if (own >= 0) ::close(own);
        return own >= 0 || !has_no_pidfds(-own);
    }();
    return has;
}

void reap_child(pid_t pid) noexcept {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace bight::detail
