// What every bight coroutine's promise has: its place in the chain, and where it awaits.
#pragma once

#include <bight/core/compiler.hpp>
#include <bight/core/frame_pool.hpp>
#include <bight/core/job.hpp>

#include <coroutine>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

namespace bight::detail {

struct final_awaiter;

template <class A>
concept bight_awaitable = requires { typename std::remove_cvref_t<A>::bight_awaitable; };

/// An awaiter that stays where it is: g++ 12 copies or moves what await_transform gives by reference.
template <class A>
class awaiter_reference {
  public:
    explicit awaiter_reference(A& awaiter) noexcept : awaiter_(awaiter) {}
    bool await_ready() { return awaiter_.await_ready(); }
    template <class P>
    BIGHT_AWAIT_SUSPEND auto await_suspend(std::coroutine_handle<P> h) {
        return awaiter_.await_suspend(h);
    }
    decltype(auto) await_resume() { return awaiter_.await_resume(); }

  private:
    A& awaiter_;
};

class promise_base {
  public:
    promise_base(const promise_base&) = delete;
    promise_base& operator=(const promise_base&) = delete;

    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_frame(block, size); }

    /// The default argument is evaluated in the coroutine: until its first await, a trace shows where it
    /// begins.
    std::suspend_always initial_suspend(
        std::source_location where = std::source_location::current()) noexcept {
        where_ = where;
        return {};
    }
    final_awaiter final_suspend() const noexcept;

    void unhandled_exception() noexcept;

    /// Every await of a task passes here, which is how bight knows the line it stands at.
    template <class A>
    auto await_transform(A&& awaited, std::source_location where = std::source_location::current()) noexcept {
        static_assert(
            bight_awaitable<A>,
            "a bight task awaits bight's awaitables; bridge another library's callbacks or coroutines "
            "with bight::deferred");
        where_ = where;
        if constexpr (requires { static_cast<A&&>(awaited).operator co_await(); }) {
            return static_cast<A&&>(awaited).operator co_await();
        } else {
            return awaiter_reference<std::remove_reference_t<A>>(awaited);
        }
    }

    std::coroutine_handle<> self() const noexcept { return self_; }
    promise_base* parent() const noexcept { return parent_; }
    job& owner() const noexcept { return *job_; }
    bool has_owner() const noexcept { return job_ != nullptr; }
    std::source_location where() const noexcept { return where_; }
    const std::exception_ptr& error() const noexcept { return error_; }

    /// Puts this coroutine below `parent` in its chain. `handle` is the variable that owns this frame; it is
    /// cleared if the chain unwinds, so that nobody destroys the frame twice.
    void join_chain(promise_base& parent, std::coroutine_handle<>& handle) noexcept {
        parent_ = &parent;
        job_ = parent.job_;
        handle_ = &handle;
    }

    /// Makes this coroutine the root of `j`; `handle` as above.
    void become_root(job& j, std::coroutine_handle<>& handle) noexcept {
        parent_ = nullptr;
        job_ = &j;
        handle_ = &handle;
    }

  protected:
    explicit promise_base(std::coroutine_handle<> self) noexcept : self_(self) {
#if BIGHT_CHECK_FRAME_LAYOUT
        check_frame_layout(self.address());
#endif
    }
    ~promise_base() = default;

  private:
    friend class job;
    friend class waiter;
    friend struct final_awaiter;

    std::coroutine_handle<> self_;
    promise_base* parent_ = nullptr;
    job* job_ = nullptr;
    std::coroutine_handle<>* handle_ = nullptr;
    std::source_location where_;
    std::exception_ptr error_;
};

struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
        promise_base& p = h.promise();
        if (p.parent_) return p.parent_->self_;
        return end_of_root(p);
    }
    void await_resume() const noexcept {}

  private:
    static std::coroutine_handle<> end_of_root(promise_base& p) noexcept;
};

inline final_awaiter promise_base::final_suspend() const noexcept { return {}; }

}  // namespace bight::detail
