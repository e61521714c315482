// shared_look_ups: look-ups under way, each shared by all tasks that ask for the same.
#pragma once

#include "../core/process.hpp"
#include "../core/system_error.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>

#include <cerrno>
#include <compare>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bight::detail {

/// What is asked, and on which reactor: reactors share nothing. A forked child may have copies of look-ups
/// that will never end, of a reactor that is not there any more.
struct look_up_key {
    const reactor* on;
    std::string what;
    int family;
    unsigned process = this_process();
    std::strong_ordering operator<=>(const look_up_key&) const = default;
};

/// Look-ups of one resolver. Each is a job without a parent, whose life is that of the tasks that wait for
/// it: it begins with the first one, and is cancelled with the last one, which waits until it has ended. So
/// it needs no place among the reactor's own tasks, and lasts through a stop while a shielded task waits.
///
/// The table is locked, for one resolver may serve several reactors; a look-up is its reactor's alone.
template <class T>
class shared_look_ups final : private fork_aware {
  public:
    shared_look_ups() = default;
    shared_look_ups(const shared_look_ups&) = delete;
    shared_look_ups& operator=(const shared_look_ups&) = delete;
    ~shared_look_ups() {
        if (alive_.empty()) return;
        const std::string text = "a resolver was destroyed while a task waits for its look-up of " +
                                 alive_.front()->what() + "; it must outlive all that ask it";
        abort_misused(text.c_str());
    }

    /// Waits for the look-up of this key, or begins the one that `make()`, which gives a task<T>, makes.
    /// Throws std::system_error (EDEADLK) for a look-up that would wait for itself.
    template <class Make>
    task<T> get(look_up_key key, Make make) {
        std::shared_ptr<look_up> shared = under_way(key);
        if (!shared) {
            shared = add(std::move(key), make());
        } else if (shared->runs_here()) {
            throw std::system_error(EDEADLK, errno_category(),
                                    "look-up of " + key.what + ": it asks for itself");
        }
        co_return co_await awaiter(*shared);
    }

  private:
    class look_up;
    class awaiter;
    using table = std::map<look_up_key, std::shared_ptr<look_up>>;

    std::shared_ptr<look_up> under_way(const look_up_key& key) {
        const std::lock_guard hold(lock_);
        const auto at = table_.find(key);
        return at == table_.end() ? nullptr : at->second;
    }
    std::shared_ptr<look_up> add(look_up_key key, task<T> made) {
        auto added = std::make_shared<look_up>(*this, key.what, std::move(made));
        const std::lock_guard hold(lock_);
        alive_.reserve(alive_.size() + 1);
        added->listed(table_.emplace(std::move(key), added).first);
        alive_.push_back(added.get());
        return added;
    }
    void remove(typename table::iterator at) noexcept {
        const std::lock_guard hold(lock_);
        table_.erase(at);  // the tasks that wait keep it
    }
    // In a forked child the parent's are not there.
    void ended(const look_up& l) noexcept {
        const std::lock_guard hold(lock_);
        std::erase(alive_, &l);
    }

    void before_fork() noexcept override { lock_.lock(); }
    void in_parent() noexcept override { lock_.unlock(); }
    void in_child() noexcept override {
        alive_.clear();
        lock_.unlock();
    }

    std::mutex lock_;
    table table_;
    std::vector<const look_up*> alive_;  // of this process, in the table or not any more
    fork_watch forks_{*this};
};

template <class T>
class shared_look_ups<T>::look_up final : public job {
  public:
    look_up(shared_look_ups& in, std::string what, task<T>&& made)
        : in_(in), what_(std::move(what)), task_(std::move(made)) {}

    /// It is in the table, here.
    void listed(typename table::iterator at) noexcept {
        listed_at_ = at;
        listed_ = true;
    }

    /// The first one that waits begins it: gives the coroutine to go on with.
    std::coroutine_handle<> wait(awaiter& w, reactor& home) noexcept {
        waiting_.push_back(w);
        if (++count_ > 1) return std::noop_coroutine();
        return start_now(home, nullptr, task_.become_root(*this));
    }
    /// True when the wait has ended. The last one waits for the end of what it has cancelled.
    bool leave(awaiter& w) noexcept {
        if (count_ == 1) {
            leave_table();
            request_cancel();
            return false;
        }
        waiting_.remove(w);
        --count_;
        return true;
    }
    /// A task that was about to wait is cancelled.
    void never_mind() noexcept {
        if (count_ == 0) leave_for_good();
    }

    /// When it has ended.
    T answer() const {
        if (error_) std::rethrow_exception(error_);
        return *answer_;
    }
    /// Whether the task that runs is a part of it.
    bool runs_here() const noexcept {
        for (const job* j = reactor_access::running_job(*reactor::current()); j; j = j->parent()) {
            if (j == this) return true;
        }
        return false;
    }
    const std::string& what() const noexcept { return what_; }
    bool is_first(const awaiter& w) const noexcept { return waiting_.front() == &w; }
    void describe(std::string& out) const override { out += "the look-up of " + what_; }

  private:
    /// Who asks from now on begins another one.
    void leave_table() noexcept {
        if (std::exchange(listed_, false)) in_.remove(listed_at_);
    }
    /// From now on it does not need the resolver, which may be destroyed.
    void leave_for_good() noexcept {
        leave_table();
        in_.ended(*this);
    }
    // The first one goes on at once, as if the look-up were its own. (It may be the last to keep this
    // object.)
    std::coroutine_handle<> finished() noexcept override {
        leave_for_good();
        const bool cancelled = result() == outcome::cancelled;
        take_answer(cancelled);
        awaiter* const first = waiting_.pop_front();
        while (awaiter* const w = waiting_.pop_front()) w->ended(cancelled);
        return first->ended_now(cancelled);
    }
    void take_answer(bool cancelled) noexcept {
        try {
            if (cancelled) {
                throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                                        "look-up of " + what_);
            }
            answer_.emplace(task_.take());
        } catch (...) {
            error_ = std::current_exception();
        }
    }

    shared_look_ups& in_;
    const std::string what_;
    kept_task<T> task_;
    typename table::iterator listed_at_{};
    bool listed_ = false;
    wait_list<awaiter> waiting_;
    std::size_t count_ = 0;  // of those
    std::optional<T> answer_;
    std::exception_ptr error_;
};

template <class T>
class shared_look_ups<T>::awaiter final : public listed_waiter, public awaiter_base<awaiter> {
  public:
    explicit awaiter(look_up& of) noexcept : of_(of) {}

    T await_resume() const { return of_.answer(); }

    void cancel() noexcept override {
        cancel_asked_ = true;
        if (of_.leave(*this)) confirm_cancel();
    }
    void describe(std::string& out) const override { out += "a look-up of " + of_.what(); }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        if (of_.is_first(*this)) visit(of_, context);
    }

    /// The look-up has ended.
    void ended(bool cancelled) noexcept {
        if (cancelled && cancel_asked_) {
            confirm_cancel();
        } else {
            ready();
        }
    }
    /// The same; gives the coroutine to go on with. Look-ups that end without waiting let others run now and
    /// then.
    std::coroutine_handle<> ended_now(bool cancelled) noexcept {
        if (!(cancelled && cancel_asked_) && reactor_access::spend_budget(home())) return ready_now();
        ended(cancelled);
        return std::noop_coroutine();
    }

  private:
    friend awaiter_base<awaiter>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        if (begin(p)) return of_.wait(*this, home());
        of_.never_mind();
        return std::noop_coroutine();
    }

    look_up& of_;
    bool cancel_asked_ = false;
};

}  // namespace bight::detail
