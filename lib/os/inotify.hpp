// inotify_queue: the descriptor of inotify(7), and the wait for its events.
#pragma once

#include "../demux/demultiplexer.hpp"
#include "../demux/operation.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bight::detail {

/// Its demultiplexer may close it, when its reactor ends.
class inotify_queue final : public descriptor {
  public:
    /// Throws std::system_error; errc::unavailable on a simulated host.
    static inotify_queue& make(reactor& home);
    /// Also ends a wait.
    void close() noexcept;
    void keep() noexcept override { ++users_; }
    void drop() noexcept override {
        if (--users_ == 0) delete this;
    }

    reactor& home() const noexcept { return home_; }
    bool is_open() const noexcept { return fd >= 0; }
    /// A number of the kernel's, or -errno.
    int add(const char* path, std::uint32_t mask) const noexcept;
    void remove(int number) const noexcept;
    /// Appends what is there. False when that is nothing. Throws std::system_error.
    bool take(std::vector<char>& to) const;

  private:
    explicit inotify_queue(reactor& home) noexcept : home_(home) {}
    reactor& home_;
    unsigned users_ = 1;
};

/// Waits until something can be taken, or the queue is closed.
class [[nodiscard("co_await it")]] inotify_wait final : public waiter, public awaiter_base<inotify_wait> {
  public:
    explicit inotify_wait(inotify_queue& of) noexcept : operation_(*this, of) {}
    void await_resume() const noexcept {}
    void cancel() noexcept override {
        if (demultiplexer_of(home()).cancel(operation_)) confirm_cancel();
    }
    void describe(std::string& out) const override { out += "changes of files"; }

  private:
    friend awaiter_base<inotify_wait>;
    class pending final : public operation {
      public:
        pending(inotify_wait& of, inotify_queue& queue) noexcept : of_(of) {
            kind = operation_kind::poll_read;
            on = &queue;
        }

      private:
        void completed() noexcept override { of_.completed(); }
        inotify_wait& of_;
    };

    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        demultiplexer& demux = demultiplexer_of(home());
        ++demux.operations;
        return demux.start(operation_) ? finish_now() : true;
    }
    void completed() noexcept {
        if (operation_.result == -ECANCELED && owner().cancel_requested()) {
            confirm_cancel();
        } else {
            ready_now().resume();
        }
    }
    pending operation_;
};

}  // namespace bight::detail
