// child_process: a child, from its start until it has been reaped.
#pragma once

#include "child_event.hpp"
#include "pipe_end_listener.hpp"

#include "../core/process.hpp"
#include "../demux/demultiplexer.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/grace_timer.hpp>
#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/reactor.hpp>
#include <bight/os/process_status.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace bight::detail {

class child_signal;
class process_calls;

/// The numbers of signals by which process::kill knows them, on every system: SIGTERM and SIGKILL.
inline constexpr int signal_to_end = 15;
inline constexpr int signal_to_kill = 9;

/// A child that has been started, as the system knows it.
struct started_child {
    int number = -1;
    native_handle process = invalid_handle;  ///< Windows: it
    native_handle group = invalid_handle;    ///< Windows: the job of one that leads a group
};

/// Belongs to a reactor. It is kept by its handle, by tasks that wait for it, by the pipes from it, and by
/// the wait for its end. docs/design/processes.md says how it ends. What systems do differently is in
/// child_control.cpp and windows_child_control.cpp. Thread: its reactor's.
class child_process final : public pooled,
                            public list_hook<child_process>,
                            private descriptor,
                            private leftover,
                            private pipe_end_listener {
  public:
    /// Made before the child is: later nothing may fail for want of memory. It has one reference.
    child_process(reactor& home, process_calls* by, std::string name, bool leads_group, duration end_patience)
        : wait_(*this),
          home_(home),
          calls_(by),
          name_(std::move(name)),
          patience_(end_patience),
          leads_group_(leads_group) {}
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    void retain() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) delete this;
    }

    /// The child is there: waits for its end. Throws std::system_error, and has then killed and reaped it.
    void begin(const started_child& child);
    /// Takes over the child's side of its terminal. It stays open here as long as the child lives: one that
    /// opens it late, or again, finds a terminal that has not ended.
    void keep_terminal(int slave) noexcept { terminal_ = slave; }
    /// That, or -1.
    int terminal() const noexcept { return terminal_; }
    /// A pipe that ends before the child counts as drained.
    template <class Transport>
    void has_pipe_from(Transport& pipe) noexcept {
        pipe.tell(*this);
        ++open_pipes_;
    }

    reactor& home() const noexcept { return home_; }
    int pid() const noexcept { return pid_; }
    const std::string& name() const noexcept { return name_; }
    /// The handle was destroyed: the child is ended, unless it has.
    void handle_gone() noexcept;
    /// The handle was, and the child goes its own way.
    void detach() noexcept;

    child_event& ended() noexcept { return ended_; }
    child_event& drained() noexcept { return drained_; }
    /// Pipes from it that have not ended.
    unsigned open_pipes() const noexcept { return open_pipes_; }
    bool over() const noexcept { return over_; }
    /// Then the child is the parent's. The reactor, which a forked child leaves as it was, may be gone.
    bool in_forked_child() const noexcept { return made_in_ != this_process(); }
    /// How it has ended; only when it is over. Throws std::system_error when that is not known.
    const process_status& status() const;
    /// 0, or an error number: ESRCH when it has ended, and leads no group; EPERM of SIGKILL when the child
    /// must not be killed.
    int send(int signal) noexcept;
    /// SIGTERM; SIGCONT lets one that was stopped take it.
    void ask_to_end() noexcept;

    /// For child_signal: some child of this process has ended.
    void look() noexcept;
    /// For child_signal: the reactor goes.
    void reactor_goes() noexcept { abandoned(); }

  private:
    class waiting final : public process_operation {
      public:
        explicit waiting(child_process& c) noexcept {
            kind = operation_kind::wait_process;
            leaves_it = true;
            on = &c;
        }

      private:
        void completed() noexcept override { static_cast<child_process&>(*on).waited(); }
    };

    ~child_process() { close_terminal(); }
    void keep() noexcept override { retain(); }
    void drop() noexcept override { release(); }
    void abandoned() noexcept override;
    void keep_for_pipe() noexcept override { retain(); }
    void pipe_has_ended() noexcept override;
    void expired() noexcept override;
    void hurry() noexcept override {}
    void limit(time_point latest) noexcept override;

    void wait_again() noexcept;
    void waited() noexcept;
    void lose(int error) noexcept;
    bool learn() noexcept;
    void end_of_wait() noexcept;
    void look_drained() noexcept;
    void reap_group() noexcept;
    /// Of one that is detached, where its group would end with what is closed here.
    void let_group_live() noexcept;
    void kill_and_reap() noexcept;
    void leave_alone() noexcept;
    void warn_of_streams() const noexcept;
    /// Whether it is a child of this process, alive or not: then its number is its own.
    bool is_here() const noexcept;
    void stop_waiting() noexcept;
    void close_terminal() noexcept;

    waiting wait_;
    reactor& home_;
    process_calls* calls_;  // null on Windows
    std::string name_;
    child_signal* signals_ = nullptr;  // where there is no pidfd
    child_event ended_{*this, child_event::what::end};
    child_event drained_{*this, child_event::what::end_and_pipes};
    process_status status_;
    duration patience_;
    const unsigned made_in_ = this_process();
    int pid_ = -1;
    native_handle group_ = invalid_handle;
    int terminal_ = -1;
    int sent_ = 0;  // Windows: the last signal that has ended it, or was to
    unsigned references_ = 1;
    unsigned open_pipes_ = 0;
    int lost_ = 0;  // why its status is not known
    bool leads_group_;
    bool over_ = false;
    bool reaped_ = false;
    bool has_handle_ = true;
    bool ending_ = false;  // as a leftover
    bool killed_ = false;
    bool left_alone_ = false;  // it must not be killed
    bool detached_ = false;
    bool holds_itself_ = false;  // no handle and no leftover does, but its end may be noticed
};

/// A counted reference to one.
class child_reference {
  public:
    explicit child_reference(child_process& to) noexcept : to_(&to) { to.retain(); }
    child_reference(child_reference&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
    child_reference& operator=(child_reference&&) = delete;
    ~child_reference() {
        if (to_) to_->release();
    }
    child_process& operator*() const noexcept { return *to_; }
    child_process* operator->() const noexcept { return to_; }

  private:
    child_process* to_;
};

/// For tests: false makes the next children those of a system without pidfds.
inline bool uses_pidfd = true;

}  // namespace bight::detail
