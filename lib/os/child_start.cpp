#include "child_pipe.hpp"
#include "child_plan.hpp"

#include "../demux/tool_annotations.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

// What runs in the child calls only what is safe in a signal handler (signal-safety(7)).

namespace bight::detail {

namespace {

[[noreturn]] void fail(child_plan& plan, child_step step, int detail = 0) noexcept {
    const child_failure why{step, errno, detail};
    plan.failure = why;
    while (::write(plan.report, &why, sizeof why) < 0 && errno == EINTR) {
    }
    ::_exit(127);
}

// Before they are let through: a handler of the parent's would run in its memory.
void reset_signals() noexcept {
    for (int s = 1; s < NSIG; ++s) {
        struct sigaction action{};
        if (::sigaction(s, nullptr, &action) < 0) continue;
        if (action.sa_handler == SIG_DFL && (action.sa_flags & SA_SIGINFO) == 0) continue;
        action.sa_handler = SIG_DFL;
        action.sa_flags = 0;
        ::sigaction(s, &action, nullptr);
    }
}

bool is_target(const child_plan& plan, int fd) noexcept {
    for (std::size_t i = 0; i < plan.mapping_count; ++i) {
        if (plan.mappings[i].number == fd) return true;
    }
    return false;
}

// To any number that no descriptor of the child is to have: the highest one that is allowed may be wanted.
int duplicate_aside(const child_plan& plan, int fd) noexcept {
    for (int lowest = 3;;) {
        const int made = ::fcntl(fd, F_DUPFD_CLOEXEC, lowest);
        if (made >= 0 && !is_target(plan, made)) return made;
        if (made >= 0) {
            ::close(made);
            lowest = made + 1;
        } else if (errno != EINTR) {
            if (errno == EINVAL) errno = EMFILE;  // `lowest` is the limit
            return -1;
        }
    }
}

// First whatever would be overwritten is put out of the way: then the order does not matter.
void map_descriptors(child_plan& plan) noexcept {
    if (is_target(plan, plan.report)) {
        const int moved = duplicate_aside(plan, plan.report);
        if (moved < 0) fail(plan, child_step::descriptor, plan.report);
        plan.report = moved;
    }
    for (std::size_t i = 0; i < plan.mapping_count; ++i) {
        child_mapping& m = plan.mappings[i];
        if (m.source < 0 || m.source == m.number || !is_target(plan, m.source)) continue;
        const int moved = duplicate_aside(plan, m.source);
        if (moved < 0) fail(plan, child_step::descriptor, m.number);
        m.source = moved;
    }
    for (std::size_t i = 0; i < plan.mapping_count; ++i) {
        const child_mapping m = plan.mappings[i];
        if (m.source < 0) {
            ::close(m.number);
        } else if (m.source == m.number) {
            if (::fcntl(m.number, F_SETFD, 0) < 0) fail(plan, child_step::descriptor, m.number);
        } else {
            int made = -1;
            do {
                made = ::dup2(m.source, m.number);
            } while (made < 0 && (errno == EINTR || errno == EBUSY));
            if (made < 0) fail(plan, child_step::descriptor, m.number);
        }
    }
}

bool is_wanted(const child_plan& plan, int fd) noexcept {
    for (std::size_t i = 0; i < plan.mapping_count; ++i) {
        if (plan.mappings[i].number == fd) return plan.mappings[i].source >= 0;
    }
    return false;
}

void close_unwanted(const child_plan& plan, int fd) noexcept {
    if (!is_wanted(plan, fd)) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

#if defined(__linux__) && defined(SYS_close_range)

// Of the gaps between what is wanted. Linux 5.11.
bool close_ranges(const child_plan& plan) noexcept {
    constexpr unsigned on_exec = 1U << 2;
    if (!uses_close_range) return false;
    unsigned first = 0;
    for (std::size_t i = 0; i < plan.mapping_count; ++i) {
        if (plan.mappings[i].source < 0) continue;
        const auto wanted = static_cast<unsigned>(plan.mappings[i].number);
        if (wanted > first && ::syscall(SYS_close_range, first, wanted - 1, on_exec) < 0) return false;
        first = wanted + 1;
    }
    return ::syscall(SYS_close_range, first, ~0U, on_exec) == 0;
}

#else

bool close_ranges(const child_plan&) noexcept { return false; }

#endif

#if defined(__linux__)

// The directory lists the numbers that are open; readdir(3) would allocate.
bool close_listed(const child_plan& plan) noexcept {
    if (!uses_descriptor_list) return false;
    const int list = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list < 0) return false;
    alignas(std::uint64_t) char entries[4096];
    constexpr std::size_t length_at = 16;  // struct linux_dirent64: inode, offset, length, type, name
    constexpr std::size_t name_at = 19;
    long got = 0;
    while ((got = ::syscall(SYS_getdents64, list, entries, sizeof entries)) > 0) {
        for (long at = 0; at < got;) {
            std::uint16_t length = 0;
            std::memcpy(&length, entries + at + length_at, sizeof length);
            int fd = -1;
            for (const char* c = entries + at + name_at; *c >= '0' && *c <= '9'; ++c) {
                fd = (fd < 0 ? 0 : fd * 10) + (*c - '0');
            }
            if (fd >= 0) close_unwanted(plan, fd);
            at += length;
        }
    }
    ::close(list);
    return got == 0;
}

#else

bool close_listed(const child_plan&) noexcept { return false; }

#endif

void close_each(const child_plan& plan) noexcept {
    rlimit limit{};
    long most = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY
                    ? static_cast<long>(limit.rlim_max)
                    : ::sysconf(_SC_OPEN_MAX);
    constexpr long bound = 1L << 20;  // the most that Linux allows unless told otherwise
    if (most < 0 || most > bound) most = bound;
    for (long fd = 0; fd < most; ++fd) close_unwanted(plan, static_cast<int>(fd));
}

// The calls of the C library change all threads of a process: those of the parent, too, in a table that the
// child may share.
#if defined(__linux__)
int set_groups(std::size_t count, const gid_t* ids) noexcept {
    return static_cast<int>(::syscall(SYS_setgroups, count, ids));
}
int set_group(gid_t id) noexcept { return static_cast<int>(::syscall(SYS_setresgid, id, id, id)); }
int set_user(uid_t id) noexcept { return static_cast<int>(::syscall(SYS_setresuid, id, id, id)); }
#else
int set_groups(std::size_t count, const gid_t* ids) noexcept {
    return ::setgroups(static_cast<int>(count), ids);
}
int set_group(gid_t id) noexcept { return ::setregid(id, id); }
int set_user(uid_t id) noexcept { return ::setreuid(id, id); }
#endif

// As execvp(3): a directory that has no such program, or must not be looked into, is passed over.
[[noreturn]] void become_program(child_plan& plan) noexcept {
    int error = ENOENT;
    for (const char* const* path = plan.programs; *path; ++path) {
        ::execve(*path, plan.arguments, plan.environment);
        if (errno == EACCES) {
            error = EACCES;
        } else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV &&
                   errno != ETIMEDOUT) {
            fail(plan, child_step::program);
        }
    }
    errno = error;
    fail(plan, child_step::program);
}

[[noreturn]] void become(child_plan& plan) noexcept {
    plan.ran = true;
    reset_signals();
    if (plan.terminal >= 0 || plan.new_session) {
        if (::setsid() < 0) fail(plan, child_step::session);
        if (plan.terminal >= 0 && ::ioctl(plan.terminal, TIOCSCTTY, 0) < 0)
            fail(plan, child_step::controlling_terminal);
    } else if (plan.new_group && ::setpgid(0, 0) < 0) {
        fail(plan, child_step::group);
    }
    if (plan.umask >= 0) ::umask(static_cast<mode_t>(plan.umask));
    map_descriptors(plan);
    if (!close_ranges(plan) && !close_listed(plan)) close_each(plan);
    if (plan.sets_groups && set_groups(plan.group_count, plan.groups) < 0) fail(plan, child_step::groups);
    if (plan.sets_group && set_group(plan.group) < 0) fail(plan, child_step::group_id);
    if (plan.sets_user && set_user(plan.user) < 0) fail(plan, child_step::user_id);
    if (plan.directory && ::chdir(plan.directory) < 0) fail(plan, child_step::directory);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    become_program(plan);
}

// Without the handlers of pthread_atfork, where the system can.
pid_t fork_alone() noexcept {
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
    return ::_Fork();
#else
    return ::fork();
#endif
#else
    return ::fork();
#endif
}

#if defined(__linux__)

// This process stops until the child is another program or has ended, as with vfork; but the child has a copy
// of its memory.
pid_t fork_until_exec() noexcept {
    constexpr unsigned long how = CLONE_VFORK | SIGCHLD;
#if defined(__s390__)
    return static_cast<pid_t>(::syscall(SYS_clone, nullptr, how, nullptr, nullptr, nullptr));
#else
    return static_cast<pid_t>(::syscall(SYS_clone, how, nullptr, nullptr, nullptr, nullptr));
#endif
}

pid_t fork_with_copy(bool& until_exec) noexcept {
    until_exec = false;
    // The child of any other would wait for ThreadSanitizer's locks, which another thread held.
    if constexpr (BIGHT_UNDER_TSAN) return ::fork();
    until_exec = !on_valgrind();  // which does not know it
    const pid_t pid = until_exec ? fork_until_exec() : -1;
    if (pid >= 0 || (until_exec && errno != ENOSYS && errno != EINVAL && errno != EPERM)) return pid;
    until_exec = false;
    return fork_alone();
}

#endif

// A function of its own, since the child returns from vfork in this frame, and the parent after it.
[[gnu::noinline]] pid_t make_child(child_plan& plan, [[maybe_unused]] bool& until_exec) noexcept {
#if defined(__APPLE__)
    const pid_t pid = fork_alone();
#elif defined(__linux__)
    const pid_t pid = plan.sets_user || plan.sets_group ? fork_with_copy(until_exec) : ::vfork();
#else
    const pid_t pid = plan.sets_user || plan.sets_group ? fork_alone() : ::vfork();
#endif
    if (pid == 0) become(plan);
    return pid;
}

void reap_failed(pid_t pid) noexcept {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

// A child that shares no memory writes its failure into the pipe, which an exec closes. Where this process
// has stopped until then, nothing more can come, though others that were forked meanwhile may hold the pipe.
void take_report(child_plan& plan, int reads, bool until_exec) noexcept {
    if (until_exec) ::fcntl(reads, F_SETFL, O_NONBLOCK);
    child_failure why;
    ssize_t got = 0;
    do {
        got = ::read(reads, &why, sizeof why);
    } while (got < 0 && errno == EINTR);
    if (got == static_cast<ssize_t>(sizeof why)) plan.failure = why;
}

}  // namespace

pid_t start_child(child_plan& plan) noexcept {
    pipe_ends both;
    if (const int error = make_blocking_pipe(both); error < 0) return error;
    plan.report = both.writes;
    bool until_exec = false;
    sigset_t all;
    sigset_t mask_before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &mask_before);
    const pid_t pid = make_child(plan, until_exec);
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    ::close(both.writes);
    // One that shares this memory is another program by now, or has ended.
    if (pid > 0 && !plan.ran) take_report(plan, both.reads, until_exec);
    ::close(both.reads);
    if (pid < 0) return -error;
    if (plan.failure.step != child_step::none) reap_failed(pid);
    return pid;
}

}  // namespace bight::detail
