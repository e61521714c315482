// remote_call: lets another thread reach a waiting task without allocating.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <atomic>
#include <new>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A call to a reactor's thread, embedded in the object that waits for it there. `send` queues it in the
/// reactor's inbox; the reactor calls `arrived`, and then, when it no longer uses the call, `released`. After
/// that the call may be sent again.
///
/// The sender guarantees that the reactor lives until `arrived` begins (because a task there waits for this
/// call). The reactor calls `arrived` only when the sender has finished with this object and with the
/// reactor, so that both may be destroyed at once.
class remote_call {
  public:
    remote_call() noexcept {}
    remote_call(const remote_call&) = delete;
    remote_call& operator=(const remote_call&) = delete;

    /// Thread: any. Only when it is not queued already.
    void send(reactor& to) noexcept;

  protected:
    ~remote_call() {}

    /// Called on the reactor's thread, between tasks. It must not free this object.
    virtual void arrived() noexcept = 0;
    /// Called last: it may free this object. `arrived` is false when the reactor was destroyed before it
    /// called that.
    virtual void released(bool arrived) noexcept { (void)arrived; }

  private:
    class node final : public posted {
      public:
        explicit node(remote_call& owner) noexcept : owner_(owner) {}
        void call() override;
        // The inbox deletes the calls that it has made; this one is part of another object.
        static void operator delete(node* n, std::destroying_delete_t) noexcept;

      private:
        remote_call& owner_;
        bool called_ = false;
    };

    void await_sender() const noexcept;

    union {
        node node_;  // exists while it is queued
    };
    std::atomic<bool> sending_{false};
};

}  // namespace detail
}  // namespace bight
