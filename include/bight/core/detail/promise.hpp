// promise_base: the part of a coroutine's promise that links it into its chain and records where it awaits.
#pragma once

#include <bight/core/detail/awaitable.hpp>
#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/refused_await.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

struct final_awaiter;

/// Refers to an awaiter that stays where it is: g++ 12 copies or moves what await_transform returns by
/// reference.
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

/// A task: unlike an operation or a deferred, it has a promise type.
template <class A>
concept task_like = requires { typename std::remove_cvref_t<A>::promise_type; };

/// A variable that may be awaited repeatedly, each time with a new awaiter: a deferred. A task and an
/// operation can be awaited only once.
template <class A>
concept awaited_again = requires(std::remove_reference_t<A>& a) { a.operator co_await(); };

/// Compilers do not align coroutine frames further than operator new does.
inline constexpr std::size_t frame_alignment = 16;
/// Whether an object of this type can be aligned in a frame.
template <class T>
inline constexpr bool fits_a_frame = alignof(T) <= frame_alignment;
template <class T>
    requires(std::is_void_v<T> || std::is_reference_v<T>)
inline constexpr bool fits_a_frame<T> = true;

template <class A>
consteval bool await_fits_a_frame() {
    if constexpr (requires(A&& a) { static_cast<A&&>(a).operator co_await(); }) {
        using awaiter = decltype(std::declval<A>().operator co_await());
        return fits_a_frame<awaiter> && fits_a_frame<decltype(std::declval<awaiter&>().await_resume())>;
    } else {
        return fits_a_frame<std::remove_reference_t<A>> &&
               fits_a_frame<decltype(std::declval<std::remove_reference_t<A>&>().await_resume())>;
    }
}

/// Whether a parameter is an object in the frame that would be misaligned there.
template <class... Ps>
inline constexpr bool over_aligned_parameters = !(fits_a_frame<Ps> && ...);

/// What the coroutine of a task refers to since its call, and which may be gone when the task runs.
enum class borrowing : std::uintptr_t {
    none,
    callable,   ///< the lambda (with captures) whose body it is
    reference,  ///< a parameter that is a const or rvalue reference
    passed_on,  ///< one of these, but the task was moved, perhaps within the expression that made it
};

class promise_base {
  public:
    promise_base(const promise_base&) = delete;
    promise_base& operator=(const promise_base&) = delete;

    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_frame(block, size); }

    /// The default argument is evaluated in the coroutine, so until its first await a trace shows the
    /// coroutine's beginning.
    std::suspend_always initial_suspend(code_line where = __builtin_source_location()) noexcept {
        where_ = location_of(where);
        return {};
    }
    final_awaiter final_suspend() const noexcept;

    void unhandled_exception() noexcept;

    /// Every await of a task passes through here; so bight knows the line of each.
    template <class A>
    auto await_transform(A&& awaited, code_line where = __builtin_source_location()) noexcept {
        constexpr bool kept = std::is_lvalue_reference_v<A> && !awaited_again<A>;
        if constexpr (!bight_awaitable<A>) {
            refuse_await<A>();
            return refused_operation();
        } else if constexpr (kept) {
            constexpr bool kept_task = task_like<A>;
            static_assert(!kept_task,
                          "a task is awaited once, and gives itself up by that: write co_await std::move(t), "
                          "or co_await the call that makes it");
            static_assert(kept_task,
                          "an operation is awaited once, and gives itself up by that: co_await the call that "
                          "makes it, for each await anew, or write co_await std::move(operation)");
            return refused_operation();
        } else {
            constexpr bool fits = await_fits_a_frame<A>();
            static_assert(
                fits,
                "what is awaited, or what that gives, needs an alignment of more than 16 bytes, and "
                "compilers do not align coroutine frames further: pass it as a std::unique_ptr, or "
                "by reference");
            if constexpr (BIGHT_TRACE_AWAITS != 0) where_ = location_of(where);
            if constexpr (requires { static_cast<A&&>(awaited).operator co_await(); }) {
                return static_cast<A&&>(awaited).operator co_await();
            } else {
                return awaiter_reference<std::remove_reference_t<A>>(awaited);
            }
        }
    }

    /// The frame's handle. The place of a promise in its frame depends only on the alignment of its type, and
    /// is the same for all alignments up to 16 bytes, which task_handle asserts.
    std::coroutine_handle<> self() const noexcept {
        return std::coroutine_handle<promise_base>::from_promise(const_cast<promise_base&>(*this));
    }
    promise_base* parent() const noexcept { return parent_; }
    job& owner() const noexcept { return *job_; }
    bool has_owner() const noexcept { return job_ != nullptr; }
    std::source_location where() const noexcept { return where_; }
    /// For one that calls functions of others: the trace of an error names theirs from now on, until the next
    /// await.
    void acts_for(std::source_location where) noexcept { where_ = where; }
    const std::exception_ptr& error() const noexcept { return error_; }

    /// Puts this coroutine below `parent` in the chain. `handle` is the variable that owns this frame; it is
    /// cleared if the chain unwinds, so that the frame is not destroyed twice.
    void join_chain(promise_base& parent, std::coroutine_handle<>& handle) noexcept {
        if (lender_ && !job_) check_borrowed(parent.where_);
        parent_ = &parent;
        job_ = parent.job_;
        handle_ = &handle;
    }

    /// Makes this coroutine the root of `j`; `handle` as above.
    void become_root(job& j, std::coroutine_handle<>& handle) noexcept {
        if (lender_ && !job_) check_borrowed(std::source_location());
        parent_ = nullptr;
        job_ = &j;
        handle_ = &handle;
    }

    /// For scopes that start a task after the full expression that made it: ends the process when the task
    /// refers to something that may be gone by then. `scope` names the function that the task was given to,
    /// at `where`. A task that was moved is let through, because it may come from a caller that waits for the
    /// scope.
    void refuse_borrowed(const char* scope, std::source_location where) const noexcept {
        if (lender_ && borrowed_ != borrowing::passed_on) report_borrowed(scope, where);
    }
    void pass_on_borrowed() noexcept {
        if (lender_) borrowed_ = borrowing::passed_on;
    }

  protected:
    promise_base() noexcept {
#if BIGHT_CHECK_FRAME_LAYOUT
        check_frame_layout(self().address());
#endif
    }
    ~promise_base() = default;

    /// Called when a coroutine ends with neither a value nor an error: it fails with a std::logic_error.
    void ran_off_its_end() noexcept;

    /// Records that the coroutine refers to `lender`; of several it keeps the one nearest to the top of the
    /// stack.
    void borrow(borrowing kind, const void* lender) noexcept {
        if (lender_) {
            const char top = 0;
            if (distance(&top, lender_) < distance(&top, lender)) return;
        }
        borrowed_ = kind;
        lender_ = lender;
    }

  private:
    friend class job;
    friend class waiter;
    friend struct final_awaiter;

    static std::uintptr_t distance(const void* from, const void* to) noexcept {
        const auto a = reinterpret_cast<std::uintptr_t>(from);
        const auto b = reinterpret_cast<std::uintptr_t>(to);
        return a < b ? b - a : a - b;
    }
    void check_borrowed(std::source_location awaited) const noexcept;
    [[noreturn]] void explain_borrowed() const noexcept;
    [[noreturn]] void report_borrowed(const char* scope, std::source_location where) const noexcept;

    // Two words are used twice: until the start, and from join_chain or become_root on.
    union {
        borrowing borrowed_ = borrowing::none;
        promise_base* parent_;
    };
    job* job_ = nullptr;
    union {
        const void* lender_ = nullptr;
        std::coroutine_handle<>* handle_;
    };
    std::source_location where_;
    std::exception_ptr error_;
};

struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
        promise_base& p = h.promise();
        if (p.parent_) return p.parent_->self();
        return end_of_root(p);
    }
    void await_resume() const noexcept {}

  private:
    static std::coroutine_handle<> end_of_root(promise_base& p) noexcept;
};

inline final_awaiter promise_base::final_suspend() const noexcept { return {}; }

}  // namespace detail
}  // namespace bight
