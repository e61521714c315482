// child: a process that a test starts from itself.
#pragma once

#ifdef _WIN32
#include "windows/spawned_child.hpp"
#else

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace test {

/// The exit status of a child that called abort().
inline constexpr int aborted = 1000 + SIGABRT;

// The pipe to which a child reports what it did.
class witness_pipe {
  public:
    explicit witness_pipe(int fd) : fd_(fd) {}
    void say(std::string_view text) const {
        if (::write(fd_, text.data(), text.size()) < 0) ::_exit(97);
    }
    /// What the child writes to standard error is reported, too.
    void take_standard_error() const { ::dup2(fd_, STDERR_FILENO); }

  private:
    int fd_;
};

/// What `make` gives, a text; the children that are started afterwards have the same.
template <class F>
std::string same_in_children(F make) {
    return make();
}

// A child process with both signals at their defaults; `body(pipe)` gives its exit status. An alarm ends it
// if nothing else does, and so ends the parent's wait for its output.
class child {
  public:
    template <class F>
    explicit child(F body) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
        pid_ = ::fork();
        if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
        if (pid_ == 0) {
            for (const int s : {SIGINT, SIGTERM, SIGALRM}) ::signal(s, SIG_DFL);
            sigset_t none;
            ::sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
            ::alarm(30);
            ::close(ends[0]);
            int status = 98;
            try {
                status = body(witness_pipe(ends[1]));
            } catch (...) {  // an exit status that no test expects
            }
            ::_exit(status);
        }
        ::close(ends[1]);
        from_ = ends[0];
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        ::close(from_);
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    void send(int signal) const { ::kill(pid_, signal); }

    /// Waits until it sleeps in a system call, or has ended.
    void wait_until_asleep() const {
        for (;;) {
            std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
            std::string line;
            std::getline(stat, line);
            const std::size_t state = line.rfind(") ");  // the text before it is its name
            if (state == std::string::npos || line[state + 2] != 'R') return;
            ::sched_yield();
        }
    }

    /// Stops it (SIGSTOP); false when it has ended instead.
    bool stop() const {
        send(SIGSTOP);
        siginfo_t how{};
        while (::waitid(P_PID, static_cast<id_t>(pid_), &how, WSTOPPED | WEXITED | WNOWAIT) < 0 &&
               errno == EINTR) {
        }
        return how.si_code == CLD_STOPPED;
    }

    /// Waits until the child has said `text`; false when it ended first.
    bool has_said(const std::string& text) {
        while (said_.find(text) == std::string::npos) {
            if (!read_more(-1)) return false;
        }
        return true;
    }

    /// Waits for the child's end, and returns its exit status, or 1000 plus the signal that killed it.
    int exit_status() {
        while (read_more(-1)) {
        }
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

    /// Sends a signal, and waits until it has been delivered: two of a kind that are pending together count
    /// once.
    void send_delivered(int signal) const {
        send(signal);
        while (is_pending(signal)) ::sched_yield();
    }

    const std::string& said() const { return said_; }

  private:
    bool is_pending(int signal) const {
        std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
        std::string word;
        while (status >> word) {
            if (word != "ShdPnd:") continue;
            unsigned long long mask = 0;
            status >> std::hex >> mask;
            return (mask >> (signal - 1) & 1) != 0;
        }
        return false;
    }

    // False at the end of the pipe: the child has gone.
    bool read_more(int milliseconds) {
        pollfd at{from_, POLLIN, 0};
        const int n = ::poll(&at, 1, milliseconds);
        if (n == 0 || (n < 0 && errno == EINTR)) return true;
        char buffer[4096];
        const auto got = ::read(from_, buffer, sizeof buffer);
        if (got <= 0) return false;
        said_.append(buffer, static_cast<std::size_t>(got));
        return true;
    }

    pid_t pid_ = -1;
    int from_ = -1;
    std::string said_;
};

}  // namespace test

#endif
