// call_ticket: stands in a reactor's inbox for a call whose caller may go on without it.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <atomic>

namespace BIGHT_EXPORT bight {
namespace detail {

class distant_call;

/// Whether a call begins or is given up: the reactor and the caller each ask once, on their threads, and the
/// first one has its way. Tests put the atomics of a search in the place of std::atomic.
// Acquire and release: who comes second frees what the first one no longer uses.
template <template <class> class Atomic>
class call_decision {
  public:
    /// True for the first.
    bool decide() noexcept { return !decided_.exchange(true, std::memory_order_acq_rel); }

  private:
    Atomic<bool> decided_{false};
};

/// What a reactor's inbox holds of a distant_call. A call that lives in the frame of a task has its ticket on
/// the heap: when the task gives the call up, the frame goes, and the ticket stays until the reactor comes to
/// it, or is destroyed, and frees it then. Else it belongs to the caller.
class call_ticket final : private remote_call {
  public:
    /// Thread: the caller's.
    void send(distant_call& of, reactor& to) noexcept;
    /// Gives up a call that was sent. True when it had not begun: it never does, nobody uses it any more, and
    /// this is the inbox's. Thread: the caller's.
    bool give_up() noexcept { return decision_.decide(); }

  private:
    void arrived() noexcept override;
    void released(bool arrived) noexcept override;
    bool take() noexcept;

    distant_call* of_ = nullptr;
    reactor* home_ = nullptr;
    call_decision<std::atomic> decision_;
    bool taken_ = false;
};

}  // namespace detail
}  // namespace bight
