// remote_call: what another thread uses to reach a task, without allocating.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <atomic>
#include <new>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A call to a reactor's thread, embedded in whatever waits for it there. `send` queues it in the reactor's
/// inbox; the reactor calls `arrived`, and when it has let go of the call, `released`. Then it may be sent
/// again.
///
/// The sender promises that the reactor lives until `arrived` begins (a task that waits there for this call
/// sees to that). From then on nothing of the reactor, and nothing of this object, is touched by the sender
/// any more: `arrived` waits for it to have left `send`, so that what was waited for may go at once, and the
/// reactor too.
class remote_call {
  public:
    remote_call() noexcept {}
    remote_call(const remote_call&) = delete;
    remote_call& operator=(const remote_call&) = delete;

    /// Thread: any. Only when it is not under way.
    void send(reactor& to) noexcept;

  protected:
    ~remote_call() {}

    /// On the reactor's thread, between tasks. It must not free this object.
    virtual void arrived() noexcept = 0;
    /// The last thing: it may free this object. Without an `arrived` before when the reactor was destroyed.
    virtual void released(bool arrived) noexcept { (void)arrived; }

  private:
    class node final : public posted {
      public:
        explicit node(remote_call& owner) noexcept : owner_(owner) {}
        void call() override;
        // The inbox deletes what it has called: this one is part of something else.
        static void operator delete(node* n, std::destroying_delete_t) noexcept;

      private:
        remote_call& owner_;
        bool called_ = false;
    };

    void await_sender() const noexcept;

    union {
        node node_;  // exists while it is under way
    };
    std::atomic<bool> sending_{false};
};

}  // namespace detail
}  // namespace bight
