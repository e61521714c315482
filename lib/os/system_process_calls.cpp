// The calls of the system for children and their pipes.
#include "process_calls.hpp"

#include "child_process.hpp"
#include "child_signal.hpp"
#include "child_wait.hpp"
#include "pseudo_terminal.hpp"

#include "../demux/descriptor_calls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#if defined(__APPLE__)
#include <crt_externs.h>
#endif

namespace bight::detail {

namespace {

char** environment_here() noexcept {
#if defined(__APPLE__)
    return *::_NSGetEnviron();
#else
    return ::environ;
#endif
}

class system_calls final : public process_calls {
  public:
    void check() override {
        if (!uses_pidfd || !has_pidfds()) child_signal::check();
    }
    std::vector<std::string> environment() override {
        std::vector<std::string> all;
        for (char* const* at = environment_here(); at && *at; ++at) all.emplace_back(*at);
        return all;
    }
    int descriptor_flags(int fd) noexcept override {
        const int flags = ::fcntl(fd, F_GETFD);
        return flags < 0 ? -errno : flags;
    }
    int open_null() noexcept override {
        const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : above_standard(fd);
    }
    int make_pipe(pipe_ends& made) noexcept override { return make_blocking_pipe(made); }
    terminal_ends open_terminal(window_size size) override { return open_pseudo_terminal(size); }
    void close(int fd) noexcept override { close_descriptor(fd); }
    pid_t start(child_plan& plan) noexcept override { return start_child(plan); }
    int open_pidfd(pid_t pid) noexcept override { return uses_pidfd ? detail::open_pidfd(pid) : -ENOSYS; }
    int query(pid_t pid, bool reap, process_status& how) noexcept override {
        return query_child(pid, reap, how);
    }
    void reap(pid_t pid) noexcept override { reap_child(pid); }
    int signal(pid_t pid, int pidfd, bool group, int number) noexcept override {
        return signal_child(pid, pidfd, group, number);
    }
    int signal_group(pid_t leader, int number) noexcept override {
        return detail::signal_group(leader, number);
    }
};

}  // namespace

process_calls& system_process_calls() noexcept {
    static system_calls calls;
    return calls;
}

}  // namespace bight::detail
