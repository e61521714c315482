// wait_list: the queue of tasks that wait for one thing, first in, first out.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
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

    /// Ends the process with a message that names what was destroyed ("a mutex") and the line of each
    /// coroutine of this waiter's task.
    [[noreturn]] void abort_destroyed(const char* what) const noexcept;

  protected:
    ~listed_waiter() = default;

  private:
    template <class W>
    friend struct waiter_links;
    // Set when it enters a list, so that an await that need not wait never touches it. The forward link is
    // that of work_item, since a waiter in a list is in no queue.
    listed_waiter* previous_;
};

/// Ends the process because a primitive was misused. `what` is the whole message.
[[noreturn]] void abort_misused(const char* what) noexcept;

/// The links of a listed_waiter.
template <class W>
struct waiter_links {
    static W* next(const work_item& w) noexcept { return static_cast<W*>(w.next_); }
    static W* previous(const listed_waiter& w) noexcept { return static_cast<W*>(w.previous_); }
    static void set_next(work_item& w, W* to) noexcept { w.next_ = to; }
    static void set_previous(listed_waiter& w, W* to) noexcept { w.previous_ = to; }
};

/// First in, first out: the front has waited longest. `W` derives from listed_waiter.
///
/// Whoever takes a waiter out decides how its wait ends: with `ready()` for a grant, or with
/// `confirm_cancel()` from the waiter's own `cancel()`. Between the grant and the moment when its task goes
/// on, the task cannot be cancelled, so a grant always reaches `await_resume`, and no grant is lost.
template <class W>
class wait_list : public intrusive_list<W, waiter_links<W>> {
  public:
    wait_list() noexcept = default;
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;

    /// For the destructor of the object that the tasks wait for (`what`: "a mutex"). A task that still waits
    /// then could never be resumed: a lifetime bug of the program.
    void check_empty(const char* what) const noexcept {
        if (const listed_waiter* const first = this->front()) first->abort_destroyed(what);
    }
};

}  // namespace detail
}  // namespace bight
