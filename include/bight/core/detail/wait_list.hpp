// The tasks that wait for one thing, in the order in which they came.
#pragma once

#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>

#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A waiter with a place in a wait_list.
class listed_waiter : public waiter {
  public:
    listed_waiter() noexcept {}                    // NOLINT(*-member-init,*-use-equals-default)
    listed_waiter(listed_waiter&& other) noexcept  // NOLINT(*-member-init)
        : waiter(std::move(other)) {}

    /// Ends the process, with a message that names what was destroyed ("a mutex") and the line at which each
    /// coroutine of this waiter's task stands.
    [[noreturn]] void abort_destroyed(const char* what) const noexcept;

  protected:
    ~listed_waiter() = default;

  private:
    template <class W>
    friend class wait_list;
    // Set when it enters a list: what need not wait never touches it. The way forward is work_item's link,
    // since what waits is in no queue.
    listed_waiter* previous_;
};

/// Ends the process: a primitive was used in a way that no program may. `what` is the whole message.
[[noreturn]] void abort_misused(const char* what) noexcept;

/// First in, first out, intrusive; taking one out of the middle is O(1). `W` derives from listed_waiter.
///
/// Whoever takes a waiter out decides how it ends: `ready()` for a grant, `confirm_cancel()` from the
/// waiter's own `cancel()`. Between the grant and the moment when its task goes on, the task cannot be
/// cancelled, so a grant always reaches `await_resume`, and no grant is lost.
template <class W>
class wait_list {
  public:
    wait_list() noexcept = default;
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;

    bool empty() const noexcept { return first_ == nullptr; }
    /// The one that has waited longest, or null.
    W* front() const noexcept { return static_cast<W*>(first_); }
    W* next(const W& w) const noexcept { return static_cast<W*>(after(w)); }

    void push_back(W& w) noexcept {
        listed_waiter& l = w;
        set_after(l, nullptr);
        l.previous_ = last_;
        set_next(last_, &l);
        last_ = &l;
    }

    /// Before `at`; at the end when it is null.
    void insert(W* at, W& w) noexcept {
        if (!at) return push_back(w);
        listed_waiter& l = w;
        listed_waiter& behind = *at;
        set_after(l, &behind);
        l.previous_ = behind.previous_;
        set_next(behind.previous_, &l);
        behind.previous_ = &l;
    }

    void remove(W& w) noexcept {
        listed_waiter& l = w;
        listed_waiter* const behind = after(l);
        set_next(l.previous_, behind);
        (behind ? behind->previous_ : last_) = l.previous_;
    }

    /// Takes out the one that has waited longest; null when there is none.
    W* pop_front() noexcept {
        W* const w = front();
        if (w) remove(*w);
        return w;
    }

    /// For the destructor of what the tasks wait for (`what`: "a mutex"), where a waiter is a lifetime bug of
    /// the program: it could never be resumed.
    void check_empty(const char* what) const noexcept {
        if (first_) first_->abort_destroyed(what);
    }

  private:
    static listed_waiter* after(const work_item& w) noexcept { return static_cast<listed_waiter*>(w.next_); }
    static void set_after(work_item& w, listed_waiter* behind) noexcept { w.next_ = behind; }
    void set_next(listed_waiter* before, listed_waiter* l) noexcept {
        if (before) {
            set_after(*before, l);
        } else {
            first_ = l;
        }
    }
    listed_waiter* first_ = nullptr;
    listed_waiter* last_ = nullptr;
};

}  // namespace detail
}  // namespace bight
