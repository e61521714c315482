// launch_child for Windows.
#include "child_launch.hpp"

#include "command_access.hpp"
#include "command_name.hpp"
#include "windows_overlapped_pipe.hpp"
#include "windows_pipe.hpp"
#include "windows_program.hpp"
#include "windows_words.hpp"

#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/windows_handle.hpp"

#include <bight/core/error.hpp>

#include <windows.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

constexpr int standard_count = 3;

[[noreturn]] void fail_to(const std::string& what) {
    throw std::system_error(system_error_code(last_error()), "process: " + what);
}

// What a number of inherit() means: 0, 1 and 2 are the standard handles, the others are handles.
HANDLE handle_here(int number) noexcept {
    constexpr std::array<DWORD, standard_count> standard{STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                                         STD_ERROR_HANDLE};
    if (number >= 0 && number < standard_count) {
        const HANDLE found = ::GetStdHandle(standard[static_cast<std::size_t>(number)]);
        return found == INVALID_HANDLE_VALUE ? nullptr : found;
    }
    return reinterpret_cast<HANDLE>(static_cast<native_handle>(number));
}

owned_handle duplicate_of(HANDLE handle) noexcept {
    HANDLE made = nullptr;
    const HANDLE here = ::GetCurrentProcess();
    if (!::DuplicateHandle(here, handle, here, &made, 0, FALSE, DUPLICATE_SAME_ACCESS)) made = nullptr;
    return owned_handle(made);
}

// The handles that a child gets, and no other, whatever can be inherited here. They can be inherited only
// while this lives: others may start programs in other ways meanwhile.
class inherited_handles {
  public:
    explicit inherited_handles(const std::array<owned_handle, standard_count>& handles) {
        for (const owned_handle& h : handles) {
            if (h) all_[count_++] = h.get();
        }
        SIZE_T size = 0;
        ::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
        memory_.resize(size);
        if (!::InitializeProcThreadAttributeList(list(), 1, 0, &size)) fail_to("the handles of a child");
        for (std::size_t i = 0; i < count_; ++i) {
            ::SetHandleInformation(all_[i], HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
        }
        if (count_ > 0 &&
            !::UpdateProcThreadAttribute(list(), 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, all_.data(),
                                         count_ * sizeof(HANDLE), nullptr, nullptr)) {
            const DWORD error = ::GetLastError();
            end();
            ::SetLastError(error);
            fail_to("the handles of a child");
        }
    }
    inherited_handles(const inherited_handles&) = delete;
    inherited_handles& operator=(const inherited_handles&) = delete;
    ~inherited_handles() { end(); }

    bool any() const noexcept { return count_ > 0; }
    LPPROC_THREAD_ATTRIBUTE_LIST list() noexcept {
        return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
    }

  private:
    void end() noexcept {
        for (std::size_t i = 0; i < count_; ++i) ::SetHandleInformation(all_[i], HANDLE_FLAG_INHERIT, 0);
        ::DeleteProcThreadAttributeList(list());
    }

    std::array<HANDLE, standard_count> all_{};
    std::size_t count_ = 0;
    std::vector<char> memory_;
};

// A group ends with its last handle, and so with this process, too.
owned_handle make_job(const std::string& name) {
    owned_handle job(::CreateJobObjectW(nullptr, nullptr));
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!job || !::SetInformationJobObject(job.get(), JobObjectExtendedLimitInformation, &limits,
                                           static_cast<DWORD>(sizeof limits))) {
        fail_to("a job for " + name);
    }
    return job;
}

std::wstring path_of_cmd() {
    std::wstring path(::GetSystemDirectoryW(nullptr, 0), L'\0');
    path.resize(::GetSystemDirectoryW(path.data(), static_cast<UINT>(path.size())));
    return path + L"\\cmd.exe";
}

// All that a child is started with.
class windows_launch {
  public:
    windows_launch(reactor& home, const command& c)
        : home_(home),
          command_(c),
          name_(name_for_messages(c)),
          child_(*new child_process(home, nullptr, name_, command_access::new_group(c),
                                    command_access::end_patience(c))) {}
    windows_launch(const windows_launch&) = delete;
    windows_launch& operator=(const windows_launch&) = delete;
    ~windows_launch() { child_.release(); }

    child_process& run(std::vector<child_stream>& pipes) {
        refuse_what_there_is_not();
        prepare_words();
        pipes.reserve(standard_count);
        prepare_handles(pipes);
        owned_handle job;
        if (command_access::new_group(command_)) job = make_job(name_);
        PROCESS_INFORMATION made = create();
        owned_handle process(made.hProcess);
        const owned_handle thread(made.hThread);
        if (job && !::AssignProcessToJobObject(job.get(), process.get())) {
            const DWORD error = ::GetLastError();
            ::TerminateProcess(process.get(), 1);
            ::SetLastError(error);
            fail_to("the job of " + name_);
        }
        const HANDLE waits = thread.get();
        const bool is_suspended = static_cast<bool>(job);
        child_.begin({static_cast<int>(made.dwProcessId), process.release_native(), job.release_native()});
        if (is_suspended) ::ResumeThread(waits);
        child_.retain();  // for the handle
        return child_;
    }

  private:
    [[noreturn]] void refuse(const std::string& what) const {
        throw std::system_error(errc::unavailable, "process: " + what + " on Windows");
    }
    void refuse_what_there_is_not() const {
        if (command_access::user(command_) || command_access::group(command_) ||
            command_access::groups(command_)) {
            refuse(name_ + " cannot be started as another user or with other groups");
        }
        if (command_access::new_session(command_) || command_access::umask(command_)) {
            refuse(name_ + " cannot have a session or an umask of its own");
        }
        if (command_access::has_terminal(command_)) {
            refuse(name_ + " cannot have a terminal: bight makes no pseudo-terminals");
        }
        for (const command::entry& e : command_access::descriptors(command_)) {
            if (e.number < 0) {
                throw std::system_error(system_error_code(EBADF),
                                        "process: " + descriptor_of(e.number, name_));
            }
            if (e.number >= standard_count && e.kind != child_descriptor::closed) {
                refuse(descriptor_of(e.number, name_) + ": a child has 0, 1 and 2, and no other,");
            }
        }
    }

    void prepare_words() {
        if (const auto& directory = command_access::directory(command_)) {
            directory_ = wide_text_of(command_, *directory, "the directory");
            const DWORD found = ::GetFileAttributesW(directory_.c_str());
            const bool is_there = found != INVALID_FILE_ATTRIBUTES;
            if (!is_there || (found & FILE_ATTRIBUTE_DIRECTORY) == 0) {
                if (is_there) ::SetLastError(ERROR_DIRECTORY);
                fail_to("the directory of " + name_ + ", " + printable(*directory));
            }
        }
        const program_file found = find_program(command_, directory_);
        file_ = found.path;
        if (found.is_batch) {
            file_ = path_of_cmd();
            line_ = batch_line_of(command_, file_, found.path);
        } else {
            line_ = command_line_of(command_);
        }
        environment_ = environment_block_of(command_);
    }

    // Those that are given first: a handle of bight's own could have the number of one that is not open.
    void prepare_handles(std::vector<child_stream>& pipes) {
        const auto& entries = command_access::descriptors(command_);
        for (int number = 0; number < standard_count; ++number) {
            const auto e = command_.descriptor(number);
            if (!e) {
                if (const HANDLE own = handle_here(number)) at(number) = duplicate_of(own);
            } else if (e->kind == child_descriptor::given) {
                at(number) = duplicate_of(handle_here(e->from));
                if (at(number)) continue;
                throw std::system_error(system_error_code(EBADF), "process: " + descriptor_of(number, name_) +
                                                                      ", which is to be " +
                                                                      std::to_string(e->from));
            }
        }
        for (const command::entry& e : entries) {
            if (e.kind == child_descriptor::null) {
                at(e.number) = owned_handle(::CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                                                          FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                                                          OPEN_EXISTING, 0, nullptr));
                if (!at(e.number)) fail_to("open NUL");
            } else if (e.kind == child_descriptor::pipe_to || e.kind == child_descriptor::pipe_from) {
                add_pipe(e, pipes);
            }
        }
        for (const command::entry& e : entries) {
            if (e.kind != child_descriptor::same) continue;
            const int other = other_descriptor(command_, e);
            const bool is_there = other >= 0 && other < standard_count && other != e.number && at(other);
            if (!is_there) refuse_same(e, name_);
            at(e.number) = duplicate_of(at(other).get());
        }
    }

    // One that it has not got must be said: for none it might be given its console.
    HANDLE for_child(int number) noexcept { return at(number) ? at(number).get() : INVALID_HANDLE_VALUE; }
    owned_handle& at(int number) noexcept { return handles_[static_cast<std::size_t>(number)]; }

    void add_pipe(const command::entry& e, std::vector<child_stream>& pipes) {
        const bool to = e.kind == child_descriptor::pipe_to;
        std::string what = descriptor_of(e.number, name_);
        overlapped_pipe_ends both = make_overlapped_pipe(to, "process: a pipe for " + what);
        at(e.number) = std::move(both.theirs);
        auto& side = overlapped_pipe::make(home_, both.ours.release_native(),
                                           to ? overlapped_pipe::way::writes : overlapped_pipe::way::reads,
                                           std::move(what));
        stream handle(side);
        if (!to) child_.has_pipe_from(side);
        pipes.push_back({e.number, std::move(handle)});
    }

    PROCESS_INFORMATION create() {
        inherited_handles inherited(handles_);
        STARTUPINFOEXW how{};
        how.StartupInfo.cb = sizeof how;
        how.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
        how.StartupInfo.hStdInput = for_child(0);
        how.StartupInfo.hStdOutput = for_child(1);
        how.StartupInfo.hStdError = for_child(2);
        how.lpAttributeList = inherited.list();
        DWORD flags = CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
        // It begins when it is in its job, so that none of its children is outside.
        if (command_access::new_group(command_)) flags |= CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED;
        // Where this process has no console, a program for consoles would open one.
        if (::GetConsoleCP() == 0) flags |= CREATE_NO_WINDOW;
        PROCESS_INFORMATION made{};
        if (!::CreateProcessW(file_.c_str(), line_.data(), nullptr, nullptr, inherited.any(), flags,
                              environment_.data(), directory_.empty() ? nullptr : directory_.c_str(),
                              &how.StartupInfo, &made)) {
            fail_to("run " + name_);
        }
        return made;
    }

    reactor& home_;
    const command& command_;
    std::string name_;
    std::wstring directory_;
    std::wstring file_;
    std::wstring line_;
    std::wstring environment_;
    std::array<owned_handle, standard_count> handles_;
    child_process& child_;
};

}  // namespace

child_process& launch_child(const command& what, std::vector<child_stream>& pipes) {
    reactor* const here = reactor::current();
    if (!here) {
        throw std::system_error(errc::wrong_thread,
                                "process::spawn needs a reactor: none runs on this thread");
    }
    if (demultiplexer_of(*here).simulated()) {
        throw std::system_error(errc::unavailable, "process: a simulated host starts no programs on Windows");
    }
    windows_launch begun(*here, what);
    return begun.run(pipes);
}

}  // namespace bight::detail
