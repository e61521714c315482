// item_observer: is called around each item of a reactor's ready queue.
#pragma once

#include <bight/core/detail/job.hpp>

namespace bight::detail {

/// Called on the reactor's thread around each item that it runs; only the item runs between the two calls.
/// One observer for each reactor; it must outlive the reactor.
class item_observer {
  public:
    item_observer() noexcept = default;
    item_observer(const item_observer&) = delete;
    item_observer& operator=(const item_observer&) = delete;

    virtual void item_begins() noexcept = 0;
    /// `ran` is the job that ran last; null when there was none, or it is gone.
    virtual void item_ended(const job* ran) noexcept = 0;

  protected:
    ~item_observer() = default;
};

}  // namespace bight::detail
