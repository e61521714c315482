// child, where there is no fork: the program is started again, runs the same test case, and is the child
// when it comes to the same place. Signals are raised in it on a thread of its own, as the events of a
// console are.
#pragma once

#include "support/catch.hpp"

#include "posix.hpp"

#include <signal.h>
#include <windows.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#ifndef SIGSTOP
#define SIGSTOP 19
#define SIGCONT 18
#endif

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

/// What this process is: a child, and which, with the pipes to its parent and from it; the number is 0 for a
/// parent.
struct child_role {
    int number = 0;
    int pipe = -1;
    HANDLE signals = nullptr;
};

/// Raises the signals whose numbers come from the parent.
inline void raise_what_comes(HANDLE from) {
    std::thread([from] {
        char signal = 0;
        DWORD got = 0;
        while (::ReadFile(from, &signal, 1, &got, nullptr) && got == 1) ::raise(signal);
    }).detach();  // until the process ends
}

inline const child_role& role() {
    static const child_role own = [] {
        child_role r;
        const char* const text = std::getenv("BIGHT_TEST_CHILD");
        if (!text) return r;
        char* rest = nullptr;
        r.number = static_cast<int>(std::strtol(text, &rest, 10));
        r.pipe = ::_open_osfhandle(static_cast<std::intptr_t>(std::strtoll(rest, &rest, 10)), _O_BINARY);
        r.signals = reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(std::strtoll(rest, nullptr, 10)));
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
        HANDLE signals = nullptr;
        if (!::CreatePipe(&from_, &theirs, &inherited, 0) ||
            !::CreatePipe(&signals, &signals_, &inherited, 0)) {
            throw last_error("CreatePipe");
        }
        for (HANDLE const ours : {from_, signals_}) ::SetHandleInformation(ours, HANDLE_FLAG_INHERIT, 0);
        std::string role = std::to_string(number);
        for (HANDLE const each : {theirs, signals}) {
            role += " " + std::to_string(reinterpret_cast<std::intptr_t>(each));
        }
        ::setenv("BIGHT_TEST_CHILD", role.c_str(), 1);
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
        ::CloseHandle(signals);
        if (!done) {
            ::CloseHandle(from_);
            ::CloseHandle(signals_);
            throw why;
        }
        ::CloseHandle(made.hThread);
        process_ = made.hProcess;
    }
    /// None.
    spawned() = default;
    spawned(const spawned&) = delete;
    spawned& operator=(const spawned&) = delete;
    ~spawned() {
        if (!process_) return;
        ::TerminateProcess(process_, 99);
        ::WaitForSingleObject(process_, INFINITE);
        ::CloseHandle(process_);
        ::CloseHandle(from_);
        ::CloseHandle(signals_);
    }

    explicit operator bool() const { return process_ != nullptr; }

    void kill() const { ::TerminateProcess(process_, 1009); }
    void raise_there(int signal) const {
        const char number = static_cast<char>(signal);
        DWORD written = 0;
        ::WriteFile(signals_, &number, 1, &written, nullptr);
    }
    /// Stops all of its threads, or lets them go on. True when the system has done it.
    bool stand_still(bool still) const {
        using call = LONG(WINAPI*)(HANDLE);
        const auto change = reinterpret_cast<call>(reinterpret_cast<void*>(::GetProcAddress(
            ::GetModuleHandleA("ntdll.dll"), still ? "NtSuspendProcess" : "NtResumeProcess")));
        return change && change(process_) >= 0;
    }

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
    HANDLE signals_ = nullptr;
    HANDLE process_ = nullptr;
};

}  // namespace detail

/// The exit status of a child that called abort().
inline constexpr int aborted = 3;

// The pipe to which a child reports what it did.
class witness_pipe {
  public:
    explicit witness_pipe(int fd) : fd_(fd) {}
    void say(std::string_view text) const {
        if (::write(fd_, text.data(), text.size()) < 0) ::_exit(97);
    }
    /// What the child writes to standard error is reported, too.
    void take_standard_error() const {
        ::_dup2(fd_, 2);
        ::SetStdHandle(STD_ERROR_HANDLE, reinterpret_cast<HANDLE>(::_get_osfhandle(fd_)));
    }

  private:
    int fd_;
};

/// What `make` gives, a text; the children that are started afterwards have the same.
template <class F>
std::string same_in_children(F make) {
    constexpr const char* name = "BIGHT_TEST_OF_PARENT";
    if (detail::role().number > 0) {
        const char* const told = std::getenv(name);
        return told ? told : "";
    }
    const std::string made = make();
    ::setenv(name, made.c_str(), 1);
    return made;
}

/// A child process; `body(pipe)` gives its exit status. The part of the test case before it runs in the
/// child, too; the children before it are not started again there, and seem to have done all that they were
/// to do.
class child {
  public:
    template <class F>
    explicit child(F body) : child(detail::next_child(), body) {}

    void send(int signal) const {
        if (!process_) return;
        switch (signal) {
            case SIGKILL: process_.kill(); break;
            case SIGCONT: process_.stand_still(false); break;
            default: process_.raise_there(signal);
        }
    }

    /// Gives it the time to come to its next wait, which the system does not tell.
    void wait_until_asleep() const { ::Sleep(process_ ? 20 : 0); }

    /// Stops it; false when it has ended instead.
    bool stop() const { return process_ && process_.stand_still(true); }

    /// Waits until the child has said `text`; false when it ended first.
    bool has_said(const std::string& text) {
        while (process_ && said_.find(text) == std::string::npos) {
            if (!process_.read_more(said_)) return false;
        }
        return true;
    }

    /// Waits for the child's end, and returns its exit status; 1009 after send(SIGKILL).
    int exit_status() {
        if (!process_) return 0;
        while (process_.read_more(said_)) {
        }
        return process_.exit_status();
    }

    const std::string& said() const { return said_; }

  private:
    template <class F>
    child(int number, F& body) : process_(here_or_spawned(number, body)) {}

    template <class F>
    static detail::spawned here_or_spawned(int number, F& body) {
        if (number < detail::role().number) return detail::spawned();
        if (number == detail::role().number) {
            detail::raise_what_comes(detail::role().signals);
            int status = 98;
            try {
                status = body(witness_pipe(detail::role().pipe));
            } catch (...) {  // an exit status that no test expects
            }
            ::_exit(status);
        }
        return detail::spawned(number);
    }

    detail::spawned process_;
    std::string said_;
};

}  // namespace test
