// What child_process does by the calls of Windows.
#include "child_process.hpp"

#include "pseudo_terminal.hpp"

#include "../core/system_error.hpp"
#include "../demux/descriptor_calls.hpp"

#include <windows.h>

#include <psapi.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ratio>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// STATUS_CONTROL_C_EXIT: that of a child which ^C or Ctrl-Break has ended, and so what one is given that is
// ended here.
constexpr UINT code_when_ended = 0xc000013a;

HANDLE handle_of_process(native_handle handle) noexcept { return reinterpret_cast<HANDLE>(handle); }

duration to_duration(const FILETIME& t) noexcept {
    using unit = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;
    return unit(static_cast<std::int64_t>(std::uint64_t{t.dwHighDateTime} << 32 | t.dwLowDateTime));
}

resource_usage usage_of(HANDLE process) noexcept {
    resource_usage used;
    FILETIME begun{};
    FILETIME over{};
    FILETIME system{};
    FILETIME user{};
    if (::GetProcessTimes(process, &begun, &over, &system, &user)) {
        used.user_time = to_duration(user);
        used.system_time = to_duration(system);
    }
    PROCESS_MEMORY_COUNTERS memory{};
    if (::GetProcessMemoryInfo(process, &memory, sizeof memory)) {
        used.peak_memory = memory.PeakWorkingSetSize;
        used.minor_faults = memory.PageFaultCount;
    }
    return used;
}

// Where it was ended from here, and has not ended by itself before, it is as if that signal had done it.
process_status status_of(HANDLE process, int sent) noexcept {
    DWORD code = 0;
    ::GetExitCodeProcess(process, &code);
    const resource_usage used = usage_of(process);
    if (sent != 0 && code == code_when_ended) return process_status::killed(sent, false, used);
    return process_status::exited(static_cast<int>(code), used);
}

}  // namespace

void child_process::begin(const started_child& child) {
    pid_ = child.number;
    fd = child.process;
    group_ = child.group;
    try {
        demultiplexer_of(home_).attach(*this);
        wait_again();
    } catch (...) {
        kill_and_reap();
        close_descriptor(std::exchange(fd, invalid_handle));
        throw;
    }
}

bool child_process::learn() noexcept {
    const HANDLE process = handle_of_process(fd);
    if (::WaitForSingleObject(process, 0) == WAIT_TIMEOUT) return false;
    status_ = status_of(process, sent_);
    reaped_ = group_ == invalid_handle;
    end_of_wait();
    return true;
}

void child_process::stop_waiting() noexcept {
    if (demux) demux->detach(*this, true);
}

// The last handle of a job ends what is left in it.
void child_process::reap_group() noexcept {
    if (!over_ || std::exchange(reaped_, true)) return;
    ::CloseHandle(handle_of_process(std::exchange(group_, invalid_handle)));
}

// So that its last handle ends nothing.
void child_process::let_group_live() noexcept {
    if (group_ == invalid_handle) return;
    const HANDLE job = handle_of_process(std::exchange(group_, invalid_handle));
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION none{};
    ::SetInformationJobObject(job, JobObjectExtendedLimitInformation, &none, static_cast<DWORD>(sizeof none));
    ::CloseHandle(job);
}

void child_process::kill_and_reap() noexcept {
    const HANDLE process = handle_of_process(fd);
    (void)send(signal_to_kill);
    ::WaitForSingleObject(process, INFINITE);
    status_ = status_of(process, sent_);
    over_ = true;
    reaped_ = group_ == invalid_handle;
    reap_group();
}

void child_process::close_terminal() noexcept {}

int child_process::send(int signal) noexcept {
    if (over_ && reaped_) return ESRCH;
    if (signal == 0) return 0;
    if (signal != signal_to_end && signal != signal_to_kill) return EINVAL;
    const bool leads = group_ != invalid_handle;
    // A child that leads no group cannot be asked: this process would be asked, too.
    if (leads && !over_ && signal == signal_to_end &&
        ::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, static_cast<DWORD>(pid_))) {
        if (sent_ == 0) sent_ = signal;
        return 0;
    }
    const BOOL done = leads ? ::TerminateJobObject(handle_of_process(group_), code_when_ended)
                            : ::TerminateProcess(handle_of_process(fd), code_when_ended);
    if (!done) {
        DWORD code = STILL_ACTIVE;
        const DWORD error = ::GetLastError();
        // It has ended, and that has not been noticed; or is about to.
        if (!over_ && ::GetExitCodeProcess(handle_of_process(fd), &code) && code != STILL_ACTIVE) return 0;
        return error == ERROR_ACCESS_DENIED ? EPERM : error_number(error);
    }
    if (!over_) sent_ = signal;
    return 0;
}

void child_process::ask_to_end() noexcept { (void)send(signal_to_end); }

// pseudo_terminal.hpp: spawn has refused a child that would have one.
int resize_terminal(int, window_size) noexcept { return EOPNOTSUPP; }

}  // namespace bight::detail
