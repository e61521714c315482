#include <bight/core/detail/promise.hpp>

#include "job_notes.hpp"
#include "thread_state.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace bight::detail {

namespace {

void print_line(std::source_location at) noexcept {
    if (at.line() == 0) return;
    std::fprintf(stderr, "%s:%u: ", at.file_name(), static_cast<unsigned>(at.line()));
}

}  // namespace

void misused_task(std::source_location where) noexcept {
    std::fputs("bight: ", stderr);
    print_line(where);
    std::fputs(
        "a task was awaited or started that is empty: it was awaited before, or moved from\n"
        "bight: a task runs once; call the coroutine again for another run\n",
        stderr);
    std::abort();
}

std::coroutine_handle<> final_awaiter::end_of_root(promise_base& p) noexcept {
    job& j = *p.job_;
    j.innermost_ = nullptr;
    j.end(p.error_ ? outcome::error : outcome::value);
    return j.finished();
}

// An object to which a task refers is gone, or goes at this suspension, when it lies on this thread's stack
// above the loop that resumes coroutines (at a lower address): nothing there outlives a suspension, because
// functions on that stack do not await. Objects that the awaiting coroutine keeps lie in its frame.
//
// How far beyond the top of the stack objects of functions that have returned are looked for.
constexpr std::uintptr_t returned = std::uintptr_t{16} * 1024;
// The longest stack between here and the loop.
constexpr std::uintptr_t longest_stack = std::uintptr_t{8} * 1024 * 1024;

void promise_base::check_borrowed(std::source_location awaited) const noexcept {
    const auto lowest = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) - returned;
    const auto lender = reinterpret_cast<std::uintptr_t>(lender_);
    if (lender - lowest > longest_stack) return;
    const auto loop = reinterpret_cast<std::uintptr_t>(this_thread().loop);
    if (loop < lowest || lender >= loop) return;
    std::fputs("bight: ", stderr);
    print_line(awaited);
    std::fputs(
        "a task was started that refers to an object which is gone: its lambda, or what a parameter refers "
        "to\n",
        stderr);
    explain_borrowed();
}

void promise_base::report_borrowed(const char* scope, std::source_location where) const noexcept {
    std::fputs("bight: ", stderr);
    print_line(where);
    std::fprintf(stderr, "%s was given a task that %s, which may be gone when the task runs\n", scope,
                 borrowed_ == borrowing::callable ? "is the body of a lambda with captures"
                                                  : "has a parameter by const or rvalue reference");
    explain_borrowed();
}

void promise_base::explain_borrowed() const noexcept {
    std::fputs("bight: ", stderr);
    print_line(where_);
    std::fputs("this is where the task begins\n", stderr);
    if (borrowed_ != borrowing::reference) {
        std::fputs(
            "bight: give a scope the lambda itself, not its task: spawn(lambda, arguments...) stores it; or "
            "await "
            "the task in the full expression that makes it\n",
            stderr);
    }
    if (borrowed_ != borrowing::callable) {
        std::fputs(
            "bight: give a scope the function and its arguments, not its task: spawn(f, arguments...) stores "
            "them "
            "(std::cref(x) for what lives longer); or take the parameter by value\n",
            stderr);
    }
    std::abort();
}

// The chain above is still complete: each coroutine in it stands at the await that this error will leave.
void promise_base::unhandled_exception() noexcept {
    error_ = std::current_exception();
    if (!job_) return;
    if (job_->notes_ && job_->notes_->error == error_) return;
    try {
        auto* notes = job_->notes_ ? job_->notes_ : (job_->notes_ = new job_notes);
        notes->error = error_;
        notes->trace.clear();
        for (const promise_base* frame = this; frame;) {
            notes->trace.push_back(frame->where_);
            if (frame->parent_) {
                frame = frame->parent_;
            } else {
                const job* above = frame->job_->parent_;
                frame = above ? above->innermost_ : nullptr;
            }
            if (notes->trace.size() == 64) break;
        }
    } catch (...) {  // out of memory: the error travels without its trace
        if (job_->notes_) job_->notes_->error = nullptr;
    }
}

void promise_base::ran_off_its_end() noexcept {
    try {
        throw std::logic_error(
            describe_location(where_) +
            ", where it last was, ran off its end without a co_return: it has no value to give");
    } catch (...) {
        unhandled_exception();
    }
}

}  // namespace bight::detail
