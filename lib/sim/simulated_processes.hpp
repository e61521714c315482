// simulated_processes: the process calls of a program on a simulated host.
#pragma once

#include "../os/process_calls.hpp"

#include <bight/io/stream.hpp>

#include <memory>
#include <string>

namespace bight::sim::detail {

struct host_state;
struct host_thread;
struct process_state;
struct socket;

/// Complete at once, like the kernel's. The caller is the process of the thread.
class simulated_processes final : public bight::detail::process_calls, public bight::detail::pipe_calls {
  public:
    explicit simulated_processes(host_thread& of) noexcept;

    void check() override {}
    std::vector<std::string> environment() override;
    int descriptor_flags(int fd) noexcept override;
    int open_null() noexcept override;
    int make_pipe(bight::detail::pipe_ends& made) noexcept override;
    bight::detail::terminal_ends open_terminal(window_size size) override;
    void close(int fd) noexcept override;
    ssize_t read(int fd, void* to, std::size_t size) noexcept override;
    bool hung_up(int fd) noexcept override;
    pid_t start(bight::detail::child_plan& plan) noexcept override;
    int open_pidfd(pid_t pid) noexcept override;
    int query(pid_t pid, bool reap, process_status& how) noexcept override;
    void reap(pid_t pid) noexcept override;
    int signal(pid_t pid, int pidfd, bool group, int number) noexcept override;
    int signal_group(pid_t leader, int number) noexcept override;

  private:
    int own_id() const noexcept;
    /// The child of this process with that number, or null.
    std::shared_ptr<process_state> child_of_this(pid_t pid) const noexcept;
    /// What a number is here; null: nothing.
    std::shared_ptr<socket> meant_by(int fd) const noexcept;
    /// A descriptor for a child, of what `source` is here: its number, or a negative error number.
    int hand_on(int source);

    host_thread& thread_;
    host_state& host_;
};

/// A stream on an end of a pipe that the child has. Throws std::system_error.
stream stream_of_end(process_state& is, int fd, std::string what);

}  // namespace bight::sim::detail
