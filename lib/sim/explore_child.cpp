// Runs a test in a child process, and reports its crashes and hangs.
#include "child_pipe.hpp"
#include "child_process.hpp"
#include "watched_world.hpp"

#include "../core/sanitizers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

// A process that crashes or hangs tells where, from a signal's handler, which takes memory. ThreadSanitizer
// reports that, and waits for itself when its report does the same: there a process ends without a word, and
// how it ended is all that is told.
constexpr bool reports_from_handlers = !BIGHT_UNDER_TSAN;

// Defined under a sanitizer, which ends the process without a signal.
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(void (*)());  // NOLINT(*-identifier*)

namespace bight::sim::detail {

namespace {

using clock = std::chrono::steady_clock;

// For a signal handler.
int report_to = -1;
int tried_to_report = 0;

// The handler may allocate, and so wait for what the signal has interrupted: after this many seconds the
// process ends without a report.
constexpr unsigned patience_of_handler = 3;
// The time that a hanging process has to report where it hangs.
constexpr auto patience_with_hanging = std::chrono::seconds(5);
// How often to check whether it has ended without closing its pipe.
constexpr auto time_between_looks = std::chrono::milliseconds(100);

// Reports as much as possible: each try that ends in another signal is followed by one that does less.
void tell_end(failure_kind kind, const std::string& message) {
    if (report_to < 0) return;
    attempt a;
    a.failed = true;
    a.kind = kind;
    a.message = message;
    const current_run& here = running_here;
    const int tried = tried_to_report++;
    if (here.told && here.result && tried == 0) {
        a = *here.result;
        a.failed = true;
        a.kind = kind;
        a.type.clear();
        a.message = message;
        a.tasks = "(it was after the test, while the tasks of its world ended)\n" + a.tasks;
    } else if (here.in && here.with_details && tried == 0) {
        look_closely_at(*here.in, a);
        a.page_error = here.write_page();
    } else if (here.in && tried == 1) {
        look_at(*here.in, a);
        a.trace = here.in->trace().to_json_lines();
    }
    write_all(report_to, to_bytes(a));
    ::close(std::exchange(report_to, -1));
}

std::string signal_text(int signal) {
    switch (signal) {
        case SIGSEGV: return "SIGSEGV: an access to memory that is not there";
        case SIGBUS: return "SIGBUS: an access to memory that is not there";
        case SIGABRT: return "SIGABRT: it called abort";
        case SIGFPE: return "SIGFPE: a division by zero, or the like";
        case SIGKILL: return "SIGKILL: by the kernel, which was out of memory, or by somebody";
        case SIGILL: return "SIGILL: an instruction that there is not";
        default: return "signal " + std::to_string(signal);
    }
}

void on_fatal_signal(int signal) {
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(patience_of_handler);
    try {
        if (signal == SIGALRM) {
            tell_end(failure_kind::hang, "it takes longer than its limit");
        } else {
            tell_end(failure_kind::crash, signal_text(signal));
        }
    } catch (...) {
        ::_exit(99);
    }
    if (signal == SIGALRM) ::_exit(0);
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

void on_sanitizer() {
    try {
        tell_end(failure_kind::crash, "a sanitizer ended it");
    } catch (...) {
        ::_exit(99);
    }
}

void on_exit() {
    try {
        tell_end(failure_kind::crash, "it called exit");
    } catch (...) {
        ::_exit(99);
    }
}

// A sanitizer reports the others itself.
std::vector<int> fatal_signals() {
    if (__sanitizer_set_death_callback) return {SIGABRT};
    return {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
}

void catch_fatal_signals() {
    struct sigaction action{};
    action.sa_handler = on_fatal_signal;
    action.sa_flags = SA_NODEFER | SA_ONSTACK;
    ::sigaction(SIGALRM, &action, nullptr);
    std::atexit(on_exit);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(on_sanitizer);
    static std::string stack(std::size_t{256} * 1024, '\0');
    stack_t alternate{};
    alternate.ss_sp = stack.data();
    alternate.ss_size = stack.size();
    ::sigaltstack(&alternate, nullptr);
    for (const int s : fatal_signals()) ::sigaction(s, &action, nullptr);
}

class pipe_ends {
  public:
    pipe_ends() { make_child_pipe(fds_); }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;
    ~pipe_ends() {
        close_writer();
        ::close(fds_[0]);
    }
    int reader() const noexcept { return fds_[0]; }
    int writer() const noexcept { return fds_[1]; }
    void close_writer() noexcept {
        if (fds_[1] >= 0) ::close(std::exchange(fds_[1], -1));
    }

  private:
    int fds_[2];
};

}  // namespace

struct usual_child_signal::handling {
    struct sigaction action{};
};

usual_child_signal::usual_child_signal() : before_(std::make_unique<handling>()) {
    struct sigaction usual{};
    usual.sa_handler = SIG_DFL;
    if (::sigaction(SIGCHLD, &usual, &before_->action) != 0)
        throw std::system_error(errno, std::system_category(), "sigaction");
}
usual_child_signal::~usual_child_signal() { ::sigaction(SIGCHLD, &before_->action, nullptr); }

bool write_all(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

void become_child(bool silent) {
#if defined(__linux__)
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (silent) {
        const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere >= 0) {
            ::dup2(nowhere, 1);
            ::dup2(nowhere, 2);
            ::close(nowhere);
        }
    }
    // Otherwise a test framework's handlers would report them as its own failures.
    for (const int s : fatal_signals()) ::signal(s, SIG_DFL);
    ::signal(SIGPIPE, SIG_IGN);
}

attempt attempt_that_ended(int status) {
    attempt a;
    a.failed = true;
    a.kind = failure_kind::crash;
    if (status == unknown_status) {
        a.message = "its process is gone, and something else in this program took its result (waitpid)";
    } else if (WIFSIGNALED(status)) {
        a.message = signal_text(WTERMSIG(status));
    } else {
        a.message = "its process ended with status " + std::to_string(WEXITSTATUS(status));
    }
    return a;
}

std::optional<int> wait_for_end(pid_t child, clock::time_point until) {
    // Usually it ends at once.
    for (int pause = 0;; pause = std::min(2 * pause + 1, 50)) {
        int status = 0;
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child) return status;
        if (ended < 0 && errno == ECHILD) return unknown_status;
        if (ended < 0 && errno != EINTR) throw std::system_error(errno, std::system_category(), "waitpid");
        if (clock::now() >= until) return std::nullopt;
        ::poll(nullptr, 0, pause);
    }
}

int kill_and_wait(pid_t child) noexcept {
    ::kill(child, SIGKILL);
    int status = unknown_status;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

attempt run_in_child(world_test& test, std::uint64_t seed, const world_options& options,
                     const child_options& how) {
    pipe_ends ends;
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (child == 0) {
        become_child(how.silent);
        report_to = ends.writer();
        running_here.html = how.html;
        running_here.title = how.title;
        if (how.with_details && reports_from_handlers) catch_fatal_signals();
        const attempt a = run_here(test, seed, options, how.with_details);
        write_all(ends.writer(), to_bytes(a));
        std::fflush(nullptr);
        ::_exit(0);
    }
    ends.close_writer();
    std::string bytes;
    clock::time_point until = saturating_add(clock::now(), how.limit);
    bool asked = false;
    bool hangs = false;
    std::optional<int> ended;
    for (;;) {
        const duration left =
            std::clamp<duration>(until - clock::now(), duration::zero(), time_between_looks);
        pollfd at{ends.reader(), POLLIN, 0};
        const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        const int n = ::poll(&at, 1, ended ? 0 : static_cast<int>(milliseconds));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0 && ended) break;  // a child of the child still holds the pipe
        if (n == 0) ended = wait_for_end(child, clock::time_point::min());
        if (n == 0 && (ended || clock::now() < until)) continue;
        if (n == 0) {
            hangs = true;
            if (how.with_details && reports_from_handlers && !std::exchange(asked, true)) {
                ::kill(child, SIGALRM);
                until = clock::now() + patience_with_hanging;
                continue;
            }
            break;
        }
        char buffer[16384];
        const ssize_t got = ::read(ends.reader(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        bytes.append(buffer, static_cast<std::size_t>(got));
    }
    // It may have closed its end of the pipe and continue.
    if (!ended && !hangs) ended = wait_for_end(child, until);
    hangs = hangs || !ended;
    const int status = ended ? *ended : kill_and_wait(child);
    if (!bytes.empty()) {
        try {
            attempt told = from_bytes(bytes);
            if (told.kind == failure_kind::crash) told.message = attempt_that_ended(status).message;
            return told;
        } catch (const std::runtime_error&) {  // it was killed while it reported
        }
    }
    attempt a = attempt_that_ended(status);
    if (hangs) {
        a.kind = failure_kind::hang;
        a.message = "it takes longer than its limit";
    }
    return a;
}

}  // namespace bight::sim::detail
