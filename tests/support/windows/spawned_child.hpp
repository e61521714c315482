// child and dying_words, where there is no fork: the program is started again, runs the same test case, and
// is the child when it comes to the same place.
#pragma once

#include "support/catch.hpp"

#include "posix.hpp"

#include <signal.h>
#include <windows.h>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace test {

namespace detail {

/// Which child of the test case comes next, from 1; a test case starts its children on one thread.
inline int next_child() {
    static std::string of_case;
    static int count = 0;
    const std::string now = Catch::getResultCapture().getCurrentTestName();
    if (of_case != now) count = 0;
    of_case = now;
    return ++count;
}

/// What this process is: a child, and which, with the pipe to its parent; {0, -1} for a parent.
struct child_role {
    int number = 0;
    int pipe = -1;
};

inline const child_role& role() {
    static const child_role own = [] {
        child_role r;
        const char* const text = std::getenv("BIGHT_TEST_CHILD");
        if (!text) return r;
        char* rest = nullptr;
        r.number = static_cast<int>(std::strtol(text, &rest, 10));
        const auto handle = static_cast<std::intptr_t>(std::strtoll(rest + 1, nullptr, 10));
        r.pipe = ::_open_osfhandle(handle, _O_BINARY);
        ::unsetenv("BIGHT_TEST_CHILD");  // of the children that it starts in its turn
        return r;
    }();
    return own;
}

/// This test case, as Catch2 wants it said.
inline std::string own_name() {
    std::string name;
    for (const char c : Catch::getResultCapture().getCurrentTestName()) {
        if (c == ',' || c == '[' || c == '\\' || c == '"' || c == '*') name += '\\';
        name += c;
    }
    return name;
}

/// `text` as one word of a command line.
inline std::string quoted(const std::string& text) {
    std::string word = "\"";
    std::size_t backslashes = 0;
    for (const char c : text) {
        if (c == '"') word.append(backslashes + 1, '\\');
        backslashes = c == '\\' ? backslashes + 1 : 0;
        word += c;
    }
    return word.append(backslashes, '\\') + "\"";
}

inline std::system_error last_error(const char* what) {
    return {static_cast<int>(::GetLastError()), std::system_category(), what};
}

/// The process that is child `number`.
class spawned {
  public:
    explicit spawned(int number) {
        SECURITY_ATTRIBUTES inherited{sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
        HANDLE theirs = nullptr;
        if (!::CreatePipe(&from_, &theirs, &inherited, 0)) throw last_error("CreatePipe");
        ::SetHandleInformation(from_, HANDLE_FLAG_INHERIT, 0);
        ::setenv(
            "BIGHT_TEST_CHILD",
            (std::to_string(number) + " " + std::to_string(reinterpret_cast<std::intptr_t>(theirs))).c_str(),
            1);
        char program[MAX_PATH];
        ::GetModuleFileNameA(nullptr, program, sizeof program);
        std::string line = quoted(program) + " " + quoted(own_name());
        HANDLE nowhere =
            ::CreateFileA("NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited,
                          OPEN_EXISTING, 0, nullptr);
        STARTUPINFOA how{};
        how.cb = sizeof how;
        how.dwFlags = STARTF_USESTDHANDLES;
        how.hStdInput = how.hStdOutput = how.hStdError = nowhere;
        PROCESS_INFORMATION made{};
        const BOOL done =
            ::CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &how, &made);
        const std::system_error why = last_error("CreateProcess");
        ::unsetenv("BIGHT_TEST_CHILD");
        ::CloseHandle(nowhere);
        ::CloseHandle(theirs);
        if (!done) {
            ::CloseHandle(from_);
            throw why;
        }
        ::CloseHandle(made.hThread);
        process_ = made.hProcess;
    }
    spawned(const spawned&) = delete;
    spawned& operator=(const spawned&) = delete;
    ~spawned() {
        ::TerminateProcess(process_, 99);
        ::WaitForSingleObject(process_, INFINITE);
        ::CloseHandle(process_);
        ::CloseHandle(from_);
    }

    void kill() const { ::TerminateProcess(process_, 1009); }

    /// False at the end of the pipe.
    bool read_more(std::string& to) const {
        char buffer[4096];
        DWORD got = 0;
        if (!::ReadFile(from_, buffer, sizeof buffer, &got, nullptr) || got == 0) return false;
        to.append(buffer, got);
        return true;
    }

    int exit_status() const {
        DWORD status = 1000;
        if (::WaitForSingleObject(process_, 30000) != WAIT_OBJECT_0) kill();
        ::WaitForSingleObject(process_, INFINITE);
        ::GetExitCodeProcess(process_, &status);
        return static_cast<int>(status);
    }

  private:
    HANDLE from_ = nullptr;
    HANDLE process_ = nullptr;
};

}  // namespace detail

// The pipe to which a child reports what it did.
class witness_pipe {
  public:
    explicit witness_pipe(int fd) : fd_(fd) {}
    void say(std::string_view text) const {
        if (::write(fd_, text.data(), text.size()) < 0) ::_exit(97);
    }

  private:
    int fd_;
};

/// A child process; `body(pipe)` gives its exit status. The part of the test case before it runs in the
/// child, too.
class child {
  public:
    template <class F>
    explicit child(F body) : child(detail::next_child(), body) {}

    /// SIGKILL; there are no other signals between processes.
    void send(int) const { process_.kill(); }

    /// Waits until the child has said `text`; false when it ended first.
    bool has_said(const std::string& text) {
        while (said_.find(text) == std::string::npos) {
            if (!process_.read_more(said_)) return false;
        }
        return true;
    }

    /// Waits for the child's end, and returns its exit status; that of abort() is 3, and 1009 after
    /// send(SIGKILL).
    int exit_status() {
        while (process_.read_more(said_)) {
        }
        return process_.exit_status();
    }

    const std::string& said() const { return said_; }

  private:
    template <class F>
    child(int number, F& body) : process_(here_or_spawned(number, body)) {}

    template <class F>
    static int here_or_spawned(int number, F& body) {
        if (number == detail::role().number) {
            int status = 98;
            try {
                status = body(witness_pipe(detail::role().pipe));
            } catch (...) {  // an exit status that no test expects
            }
            ::_exit(status);
        }
        return number;
    }

    detail::spawned process_;
    std::string said_;
};

/// Runs `body` in a child process. Returns what it wrote to standard error if it ended by abort(), otherwise
/// a text that no test expects.
template <class F>
std::string dying_words(F body) {
    child one([&](const witness_pipe&) {
        const int pipe = detail::role().pipe;
        ::signal(SIGABRT, SIG_DFL);
        ::_dup2(pipe, 2);
        ::SetStdHandle(STD_ERROR_HANDLE, reinterpret_cast<HANDLE>(::_get_osfhandle(pipe)));
        body();
        return 0;
    });
    const int status = one.exit_status();
    std::string said;
    for (const char c : one.said()) {
        if (c != '\r') said += c;
    }
    if (status != 3) return "(it ended with status " + std::to_string(status) + ")";
    // What the C runtime says of every abort.
    const std::size_t added = said.find("\nThis application has requested the Runtime");
    return said.substr(0, added);
}

}  // namespace test
