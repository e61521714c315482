// The tasks that run beside each other in one scope, any number of them, each from its own start to its own
// end.
#pragma once

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <cstddef>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

template <class Job>
class spawned_jobs;

/// The job of one of them: the task of a group, the connection of a server. Made with `new`; its scope
/// deletes it when it has ended, out of the ready queue.
template <class Job>
class spawned_job : public job, public pooled, public list_hook<Job> {
  protected:
    spawned_job() noexcept = default;
    ~spawned_job() = default;

    /// False when there is none in `t`.
    bool give(task<>&& t) noexcept {
        task_handle<void> given = std::move(t).release();
        task_.take_from(given);
        return static_cast<bool>(task_);
    }
    /// The end of `finished`: reap() comes when the frame is no longer the one that calls.
    std::coroutine_handle<> reap_later() noexcept {
        detail::reactor_access::schedule(home(), *this);
        return std::noop_coroutine();
    }

    task_handle<void> task_;

  private:
    friend class spawned_jobs<Job>;
};

/// Those that have been started in a scope and have not been deleted.
template <class Job>
class spawned_jobs {
  public:
    bool empty() const noexcept { return list_.empty(); }
    /// How many of them are not over.
    std::size_t size() const noexcept { return size_; }
    auto begin() const noexcept { return list_.begin(); }
    auto end() const noexcept { return list_.end(); }

    /// Gives what it is to be started with.
    promise_base& add(Job& j) noexcept {
        spawned_job<Job>& s = j;
        list_.push_front(j);
        ++size_;
        s.task_.promise().become_root(s, s.task_.handle());
        return s.task_.promise();
    }
    /// One is over: when its task has ended, or later, as the scope says.
    void one_over() noexcept { --size_; }
    /// Before it is deleted.
    void remove(Job& j) noexcept { list_.remove(j); }

    void visit(void (*each)(const job&, void*), void* context) const {
        for (const Job& j : list_) each(j, context);
    }

  private:
    intrusive_list<Job> list_;
    std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace bight
