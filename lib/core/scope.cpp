#include <bight/core/detail/scope.hpp>

#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>

#include <new>
#include <string>
#include <utility>

namespace bight::detail {

std::coroutine_handle<> scope::conclude(bool child_cancelled) noexcept {
    if (child_cancelled && owner().cancel_requested()) {
        confirm_cancel();
        return std::noop_coroutine();
    }
    // Children that end at once never suspend, so a loop of such scopes must yield now and then.
    if (!reactor_access::spend_budget(home())) {
        ready();
        return std::noop_coroutine();
    }
    return ready_now();
}

std::coroutine_handle<> gathering_scope::child_finished(job& child) noexcept {
    --running_;
    switch (child.result()) {
        case outcome::value:
            if (keep_going_ || errors_.empty()) child_succeeded(child);
            break;
        case outcome::error:
            if (settled_) {
                if (!keep_going_) report_job_error(child, error_of(child));
                break;
            }
            if (!errors_.add(error_of(child)))
                report_job_error(child, error_of(child));  // report it instead of losing it
            owner().adopt_trace(child);
            if (!keep_going_) cancel_children();
            break;
        default: child_cancelled_ = true; break;
    }
    if (running_ == 0 && freeing_ == 0) return conclude(cut_short());
    if (running_ > 0 && child.result() != outcome::cancelled) {
        ++freeing_;
        free_later(child);
    }
    return std::noop_coroutine();
}

void gathering_scope::child_freed() noexcept {
    if (--freeing_ == 0 && running_ == 0) conclude_here(cut_short());
}

// Where an error does not cancel the others, a cancelled child might have succeeded.
bool gathering_scope::cut_short() const noexcept {
    return child_cancelled_ && !settled_ && (keep_going_ || errors_.empty());
}

void value_dropped(const promise_base& scope, std::size_t index) noexcept {
    try {
        log(log_level::warning, "when_any in " + describe_location(scope.where()) + ": task " +
                                    std::to_string(index) +
                                    " had a value in the turn in which another failed; the value is dropped");
    } catch (const std::bad_alloc&) {
        log(log_level::warning,
            "when_any dropped a value that came in the turn in which another task failed");
    }
}

void throw_errors(const std::vector<std::exception_ptr>& errors) {
    if (errors.empty()) return;
    if (errors.size() == 1) std::rethrow_exception(errors.front());
    throw aggregate_error(errors);
}

bool error_list::add(const std::exception_ptr& error) noexcept {
    if (!first_) {
        first_ = error;
        return true;
    }
    try {
        others_.push_back(error);
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

void error_list::throw_all() const {
    if (!first_) return;
    if (others_.empty()) std::rethrow_exception(first_);
    try {
        std::vector<std::exception_ptr> all{first_};
        all.insert(all.end(), others_.begin(), others_.end());
        throw aggregate_error(std::move(all));
    } catch (const std::bad_alloc&) {  // the first is thrown, the others are reported
        for (const std::exception_ptr& error : others_) report_error({error, "a task of a scope", {}});
    }
    std::rethrow_exception(first_);
}

}  // namespace bight::detail
