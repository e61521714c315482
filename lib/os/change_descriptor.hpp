// change_descriptor: a descriptor that can be read when files have changed, and the wait for that.
#pragma once

#include "../demux/demultiplexer.hpp"
#include "../demux/operation.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>

#include <cerrno>
#include <string>

namespace bight::detail {

/// Its demultiplexer may close it, when its reactor ends.
class change_descriptor : public descriptor {
  public:
    explicit change_descriptor(reactor& home) noexcept : home_(home) {}
    /// Also ends a wait. It is gone with the last who keeps it.
    void close() noexcept {
        if (demux) demux->detach(*this, true);
        drop();
    }
    void keep() noexcept override { ++users_; }
    void drop() noexcept override {
        if (--users_ == 0) delete this;
    }
    reactor& home() const noexcept { return home_; }
    bool is_open() const noexcept { return fd != invalid_handle; }

  protected:
    virtual ~change_descriptor() = default;

  private:
    reactor& home_;
    unsigned users_ = 1;
};

/// Waits until it can be read, or is closed.
class [[nodiscard("co_await it")]] change_wait final : public waiter, public awaiter_base<change_wait> {
  public:
    explicit change_wait(change_descriptor& of) noexcept : operation_(*this, of) {}
    void await_resume() const noexcept {}
    void cancel() noexcept override {
        if (demultiplexer_of(home()).cancel(operation_)) confirm_cancel();
    }
    void describe(std::string& out) const override { out += "changes of files"; }

  private:
    friend awaiter_base<change_wait>;
    class pending final : public operation {
      public:
        pending(change_wait& of, change_descriptor& queue) noexcept : of_(of) {
            kind = operation_kind::poll_read;
            on = &queue;
        }

      private:
        void completed() noexcept override { of_.completed(); }
        change_wait& of_;
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
