// work_item, work_queue: the entries of the ready queue, and the queue.
#pragma once

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

template <class W>
struct waiter_links;

/// An entry of the ready queue. It is embedded in what waits (an awaiter, a job, an operation), so queueing
/// allocates nothing. An item is in at most one queue at a time and must not move while queued.
class work_item {
  public:
    work_item() noexcept {}  // NOLINT(*-member-init,*-use-equals-default)
    work_item(const work_item&) = delete;
    work_item& operator=(const work_item&) = delete;

    /// Called once per push, on the reactor's thread, with the item already out of the queue.
    virtual void run() noexcept = 0;

  protected:
    ~work_item() = default;

  private:
    friend class work_queue;
    template <class W>
    friend struct waiter_links;
    work_item* next_;  // in a work_queue or a wait_list, of which it is in at most one; set when it enters
};

/// An intrusive queue for one thread, first in, first out.
class work_queue {
  public:
    work_queue() noexcept = default;
    work_queue(const work_queue&) = delete;
    work_queue& operator=(const work_queue&) = delete;

    bool empty() const noexcept { return first_ == nullptr; }

    void push(work_item& item) noexcept {
        item.next_ = nullptr;
        if (last_) {
            last_->next_ = &item;
        } else {
            first_ = &item;
        }
        last_ = &item;
    }

    /// The oldest item, or null.
    work_item* pop() noexcept {
        work_item* item = first_;
        if (item) {
            first_ = item->next_;
            if (!first_) last_ = nullptr;
        }
        return item;
    }

    /// Appends everything in `other`.
    void append(work_queue& other) noexcept {
        if (other.empty()) return;
        if (last_) {
            last_->next_ = other.first_;
        } else {
            first_ = other.first_;
        }
        last_ = other.last_;
        other.first_ = other.last_ = nullptr;
    }

  private:
    work_item* first_ = nullptr;
    work_item* last_ = nullptr;
};

}  // namespace detail
}  // namespace bight
