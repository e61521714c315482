#include <bight/core/detail/timer.hpp>

#include "time_words.hpp"

namespace bight::detail {

void append_time_left(std::string& out, const timer& t, time_point now) {
    if (t.armed()) append_time_left(out, t.deadline(), now);
}

void append_time_left(std::string& out, time_point due, time_point now) {
    if (due == time_point::max()) {
        out += " (which is never due)";
    } else if (due <= now) {
        out += " (due)";
    } else {
        out += " (" + to_a_tenth(due - now) + " left)";
    }
}

bool timer_heap::before(const timer& a, const timer& b) noexcept {
    return a.deadline_ != b.deadline_ ? a.deadline_ < b.deadline_ : a.order_ < b.order_;
}

// Makes the later of two roots the first child of the earlier one.
timer* timer_heap::meld(timer* a, timer* b) noexcept {
    if (!a) return b;
    if (!b) return a;
    if (before(*b, *a)) {
        timer* earlier = b;
        b = a;
        a = earlier;
    }
    b->previous_ = a;
    b->sibling_ = a->child_;
    if (a->child_) a->child_->previous_ = b;
    a->child_ = b;
    return a;
}

// The two passes of the paper: pair the siblings from left to right, then meld the pairs from right to left.
timer* timer_heap::meld_siblings(timer* first) noexcept {
    timer* pairs = nullptr;  // linked through sibling_, newest first
    while (first) {
        timer* a = first;
        timer* b = a->sibling_;
        first = b ? b->sibling_ : nullptr;
        a->sibling_ = a->previous_ = nullptr;
        if (b) b->sibling_ = b->previous_ = nullptr;
        timer* pair = meld(a, b);
        pair->sibling_ = pairs;
        pairs = pair;
    }
    timer* root = nullptr;
    while (pairs) {
        timer* next = pairs->sibling_;
        pairs->sibling_ = nullptr;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void timer_heap::arm(timer& t, time_point deadline) noexcept {
    if (t.armed_) disarm(t);
    t.deadline_ = deadline;
    t.order_ = next_order_++;
    t.child_ = t.sibling_ = t.previous_ = nullptr;
    t.armed_ = true;
    root_ = meld(root_, &t);
    ++size_;
}

bool timer_heap::disarm(timer& t) noexcept {
    if (!t.armed_) return false;
    t.armed_ = false;
    --size_;
    timer* children = meld_siblings(t.child_);
    t.child_ = nullptr;
    if (&t == root_) {
        root_ = children;
        return true;
    }
    if (t.previous_->child_ == &t) {
        t.previous_->child_ = t.sibling_;
    } else {
        t.previous_->sibling_ = t.sibling_;
    }
    if (t.sibling_) t.sibling_->previous_ = t.previous_;
    t.sibling_ = t.previous_ = nullptr;
    root_ = meld(root_, children);
    return true;
}

timer* timer_heap::pop_due(time_point now, std::uint64_t mark) noexcept {
    timer* first = root_;
    if (!first || first->deadline_ > now || first->order_ >= mark) return nullptr;
    disarm(*first);
    return first;
}

}  // namespace bight::detail
