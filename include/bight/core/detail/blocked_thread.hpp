// A caller elsewhere that waits until a reactor has answered it.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// An entry in the reactor's list of those that wait for it (lib/core/blocked_threads.hpp): on the stack of a
/// plain thread that is blocked, or in the frame of a task of another reactor.
class blocked_thread : public list_hook<blocked_thread> {
  protected:
    blocked_thread() noexcept = default;
    ~blocked_thread() = default;

  private:
    friend class blocked_threads;
    /// The run ends: cancels what has begun for this caller. Called on the reactor's thread.
    virtual void cancel_begun() noexcept = 0;
    /// The reactor is gone and will never answer. This object may be gone when the call returns.
    virtual void abandon() noexcept = 0;
};

}  // namespace detail
}  // namespace bight
