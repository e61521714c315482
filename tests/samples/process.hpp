// A child process whose input and output are the test's, with a deadline on everything.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program

namespace test {

using steady = std::chrono::steady_clock;

/// How long a test waits for anything before it fails: far more than it takes on a busy machine.
constexpr std::chrono::seconds patience{30};

inline steady::time_point deadline() { return steady::now() + patience; }

/// How a process ended.
struct exit_state {
    int status = -1;  ///< its exit status; -1 when a signal killed it
    int signal = 0;   ///< the signal that killed it
    bool operator==(const exit_state&) const = default;
};

/// Whether a program can be started by its name.
inline bool is_installed(const std::string& program) {
    const char* path = std::getenv("PATH");
    for (std::string rest = path ? path : "/usr/bin:/bin"; !rest.empty();) {
        const std::size_t end = std::min(rest.find(':'), rest.size());
        if (::access((rest.substr(0, end) + "/" + program).c_str(), X_OK) == 0) return true;
        rest.erase(0, end + 1);
    }
    return false;
}

/// A child process. Its standard output and error are collected whenever the test waits for it. It is ended
/// when this is destroyed: by SIGTERM, or by SIGKILL when that does not help.
class process {
  public:
    /// Starts `command`, looked for in PATH; `variables` are "NAME=VALUE" and replace those of the test.
    explicit process(std::vector<std::string> command, const std::vector<std::string>& variables = {}) {
        int input[2];
        int output[2];
        int error[2];
        // A socket, because a write to it can be told not to raise SIGPIPE.
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) < 0 ||
            ::pipe2(output, O_CLOEXEC) < 0 || ::pipe2(error, O_CLOEXEC) < 0) {
            throw std::system_error(errno, std::system_category(), "pipe");
        }
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, input[1], 0);
        ::posix_spawn_file_actions_adddup2(&actions, output[1], 1);
        ::posix_spawn_file_actions_adddup2(&actions, error[1], 2);

        std::vector<char*> arguments;
        arguments.reserve(command.size() + 1);
        for (std::string& word : command) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        std::vector<std::string> environment = variables;
        for (char** v = environ; *v; ++v) {
            const std::string entry = *v;
            const std::string name = entry.substr(0, entry.find('=') + 1);
            const bool replaced =
                std::any_of(variables.begin(), variables.end(),
                            [&](const std::string& given) { return given.starts_with(name); });
            if (!replaced) environment.push_back(entry);
        }
        std::vector<char*> entries;
        entries.reserve(environment.size() + 1);
        for (std::string& entry : environment) entries.push_back(entry.data());
        entries.push_back(nullptr);

        const int failed =
            ::posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), entries.data());
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(input[1]);
        ::close(output[1]);
        ::close(error[1]);
        input_ = input[0];
        output_.fd = output[0];
        error_.fd = error[0];
        if (failed) {
            close_pipes();
            throw std::system_error(failed, std::system_category(), "cannot start " + command[0]);
        }
    }
    process(const process&) = delete;
    process& operator=(const process&) = delete;
    ~process() {
        if (!ended_) {
            signal(SIGTERM);
            // A server drains for two seconds.
            if (!wait(steady::now() + std::chrono::seconds(5))) {
                signal(SIGKILL);
                wait();
            }
        }
        close_pipes();
    }

    pid_t pid() const { return pid_; }
    /// Sends a signal; nothing happens when the process has ended.
    void signal(int number) {
        if (!ended_) ::kill(pid_, number);
    }

    /// To its standard input.
    void write(const std::string& text) const {
        if (::send(input_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
            throw std::system_error(errno, std::system_category(), "write to a child process");
        }
    }
    void end_input() const { ::shutdown(input_, SHUT_WR); }

    /// What it has written so far, as of the last wait.
    const std::string& output() const { return output_.text; }
    const std::string& errors() const { return error_.text; }

    /// Waits until `condition` holds of its output; false when it ended or the time is up before that.
    template <class Condition>
    bool wait_for(Condition condition, steady::time_point until = deadline()) {
        for (;;) {
            if (may_write()) collect(until);
            if (condition()) return true;
            if (!may_write() || steady::now() >= until) return false;
        }
    }
    /// Waits until it has written `text` to its standard output.
    bool wait_for_output(const std::string& text, steady::time_point until = deadline()) {
        if (output().find(text) != std::string::npos) return true;
        return wait_for([&] { return output().find(text) != std::string::npos; }, until);
    }

    /// Waits for its end, and for all of its output; nothing when the time is up before that.
    std::optional<exit_state> wait(steady::time_point until = deadline()) {
        while (!has_ended()) {
            if (steady::now() >= until) return std::nullopt;
            collect(std::min(until, steady::now() + std::chrono::milliseconds(5)));
        }
        while (may_write() && steady::now() < until) collect(until);
        return ended_;
    }
    /// Looks whether it has ended, without waiting.
    bool has_ended() {
        if (ended_) return true;
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
        ended_ = WIFEXITED(status) ? exit_state{WEXITSTATUS(status), 0} : exit_state{-1, WTERMSIG(status)};
        return true;
    }

  private:
    struct collected {
        int fd = -1;
        std::string text;
    };

    // Whether more output may come.
    bool may_write() const { return output_.fd >= 0 || error_.fd >= 0; }

    // Takes what has been written, or waits for it until `until`.
    void collect(steady::time_point until) {
        pollfd both[2] = {{output_.fd, POLLIN, 0}, {error_.fd, POLLIN, 0}};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady::now()).count();
        if (::poll(both, 2, static_cast<int>(std::max<long>(0, left))) < 0) return;
        if (both[0].revents) take(output_);
        if (both[1].revents) take(error_);
    }
    static void take(collected& from) {
        char buffer[65536];
        const ssize_t got = ::read(from.fd, buffer, sizeof buffer);
        if (got > 0) {
            from.text.append(buffer, static_cast<std::size_t>(got));
        } else if (got == 0 || errno != EINTR) {
            ::close(from.fd);
            from.fd = -1;  // poll ignores it from now on
        }
    }
    void close_pipes() {
        for (const int fd : {input_, output_.fd, error_.fd}) {
            if (fd >= 0) ::close(fd);
        }
    }

    pid_t pid_ = -1;
    int input_ = -1;
    collected output_;
    collected error_;
    std::optional<exit_state> ended_;
};

}  // namespace test
