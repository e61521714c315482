// child_signal: notices the ends of children where there are no pidfds, by SIGCHLD.
#pragma once

#include "child_process.hpp"

#include "../core/process.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/waker.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/reactor.hpp>

namespace bight::detail {

/// One for each reactor with such children, from the first to the last of them. A handler of SIGCHLD, which
/// calls the one that was there before, wakes all; each then asks after every child of its own, and no other.
class child_signal final : public list_hook<child_signal>, private descriptor {
  public:
    /// Throws std::system_error (errc::unavailable) where ends cannot be noticed: the program ignores
    /// SIGCHLD, or has said SA_NOCLDWAIT, for then the kernel reaps all children; or this thread blocks it.
    static void check();
    /// That of `home`; makes it. Throws what `check` throws.
    static child_signal& of(reactor& home);
    void add(child_process& c) noexcept;
    /// With the last one it is gone.
    void remove(child_process& c) noexcept;

  private:
    friend class child_signals;
    class waiting final : public operation {
      public:
        explicit waiting(child_signal& s) noexcept {
            kind = operation_kind::poll_read;
            on = &s;
        }

      private:
        void completed() noexcept override { static_cast<child_signal&>(*on).raised(); }
    };

    explicit child_signal(reactor& home) : wait_(*this), home_(home) {}
    ~child_signal() = default;
    void keep() noexcept override { ++users_; }
    void drop() noexcept override {
        if (--users_ == 0) delete this;
    }
    void abandoned() noexcept override;
    int wait() noexcept;
    void lose_all(int error) noexcept;
    void look() noexcept;
    void raised() noexcept;
    void end() noexcept;

    waker waker_;
    waiting wait_;
    reactor& home_;
    const unsigned made_in_ = this_process();
    intrusive_list<child_process> children_;
    unsigned users_ = 1;
    bool looking_ = false;
    bool ended_ = false;
    bool abandoned_ = false;  // the wait, when it completes, drops what the children held
};

}  // namespace bight::detail
