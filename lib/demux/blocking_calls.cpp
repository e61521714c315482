#include "blocking_calls.hpp"

#include "../core/no_signals.hpp"
#include "demultiplexer.hpp"

#include <system_error>

namespace bight::detail {

void blocking_calls::line::push(operation& op) noexcept {
    op.behind = nullptr;
    (first ? last->behind : first) = &op;
    last = &op;
}

operation* blocking_calls::line::pop() noexcept {
    operation* const op = first;
    if (op) first = op->behind;
    return op;
}

bool blocking_calls::line::remove(operation& op) noexcept {
    operation* before = nullptr;
    for (operation* at = first; at; before = at, at = at->behind) {
        if (at != &op) continue;
        (before ? before->behind : first) = op.behind;
        if (last == &op) last = before;
        return true;
    }
    return false;
}

blocking_calls::~blocking_calls() {
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
    }
    something_.notify_all();
    for (std::thread& t : threads_) t.join();
}

bool blocking_calls::start(file_operation& op) noexcept {
    // An idle thread's next call may be queued already, so the calls are counted, not the idle threads.
    const bool one_for_each = under_way() < threads_.size();
    if (!one_for_each && threads_.size() < most_threads && !make_thread() && threads_.empty()) return false;
    {
        const std::lock_guard lock(mutex_);
        waiting_.push(op);
        ++under_way_;
    }
    something_.notify_one();
    return true;
}

// With a signal a call could end with EINTR, and a handler would run concurrently with the reactor.
bool blocking_calls::make_thread() noexcept {
    [[maybe_unused]] const no_signals blocked{};
    bool made = true;
    try {
        threads_.reserve(most_threads);
        threads_.emplace_back([this] { work(); });
    } catch (const std::exception&) {
        made = false;
    }
    return made;
}

bool blocking_calls::cancel(file_operation& op) noexcept {
    const std::lock_guard lock(mutex_);
    if (!waiting_.remove(op)) return false;
    --under_way_;
    return true;
}

std::size_t blocking_calls::under_way() noexcept {
    const std::lock_guard lock(mutex_);
    return under_way_;
}

operation* blocking_calls::take_done() noexcept {
    const std::lock_guard lock(mutex_);
    operation* const all = done_.first;
    done_ = {};
    return all;
}

void blocking_calls::work() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        something_.wait(lock, [this] { return ends_ || waiting_.first; });
        operation* const op = waiting_.pop();
        if (!op) return;
        lock.unlock();
        op->result = perform(static_cast<file_operation&>(*op));
        lock.lock();
        --under_way_;
        done_.push(*op);
        // While holding the lock: when the last result has been taken, the owner may be destroyed.
        owner_.wake();
    }
}

}  // namespace bight::detail
