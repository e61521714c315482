// child_signal: notices the ends of children where there are no pidfds, by SIGCHLD.
#pragma once

#include "child_process.hpp"

#include "../core/alert_listener.hpp"
#include "../core/signal_receiver.hpp"

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/reactor.hpp>

namespace bight::detail {

/// One for each reactor with such children, from the first to the last of them. With each SIGCHLD it asks
/// after every child of its own, and no other.
class child_signal final : public alert_listener {
  public:
    /// Throws std::system_error (errc::unavailable) where ends cannot be noticed: the program ignores
    /// SIGCHLD, or has said SA_NOCLDWAIT, for then the kernel reaps all children; or this thread blocks it.
    static void check();
    /// That of `home`; makes it. Throws what `check` throws, and std::bad_alloc.
    static child_signal& of(reactor& home);
    void add(child_process& c) noexcept;
    /// With the last one it is gone.
    void remove(child_process& c) noexcept;

  private:
    explicit child_signal(reactor& home) noexcept;
    void alerted() noexcept override;
    void reactor_goes() noexcept override;
    void end() noexcept;

    reactor& home_;
    signal_receiver came_;
    intrusive_list<child_process> children_;
    bool looking_ = false;
};

}  // namespace bight::detail
