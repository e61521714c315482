// priority_queue<T>: a priority queue between tasks.
#pragma once

#include <bight/core/export.hpp>
#include <bight/sync/basic_channel.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// The default order of a priority_queue: `<`.
struct less_priority {
    template <class T>
    bool operator()(const T& a, const T& b) const noexcept(noexcept(a < b)) {
        return a < b;
    }
};

namespace detail {

/// A binary heap of pointers to values, which themselves do not move. Free slots are reused.
template <class T, class Less>
class priority_heap {
  public:
    static constexpr const char* name = "a priority queue";

    explicit priority_heap(Less&& less) : less_(std::move(less)) {}
    priority_heap(const priority_heap&) = delete;
    priority_heap& operator=(const priority_heap&) = delete;
    ~priority_heap() {
        for (const entry& e : heap_) {
            e.at->value.~T();
            delete e.at;
        }
        while (free_) delete std::exchange(free_, free_->next);
    }

    std::size_t size() const noexcept { return heap_.size(); }

    /// Throws std::bad_alloc, and what T's constructor throws; then nothing has changed.
    template <class U>
    void push(U&& value) {
        if (heap_.size() == heap_.capacity()) heap_.reserve(heap_.empty() ? 8 : 2 * heap_.size());
        slot* const s = take_slot();
        try {
            ::new (static_cast<void*>(__builtin_addressof(s->value))) T(std::forward<U>(value));
        } catch (...) {
            give_back(s);
            throw;
        }
        heap_.push_back(entry{s, pushed_++});
        rise(heap_.size() - 1);
    }

    /// Removes the first value and moves it into `into`; it is removed even when moving throws. The heap must
    /// not be empty.
    void take(std::optional<T>& into) {
        struct taken_out {
            priority_heap& self;
            slot* at;
            ~taken_out() {
                at->value.~T();
                self.give_back(at);
            }
        } const first{*this, pop_first()};
        into.emplace(std::move(first.at->value));
    }

  private:
    struct slot {
        slot() noexcept {}
        ~slot() {}
        slot* next = nullptr;  // the next free slot
        union {
            T value;
        };
    };
    struct entry {
        slot* at;
        std::uint64_t order;
    };

    bool first_of(const entry& a, const entry& b) const noexcept {
        if (less_(b.at->value, a.at->value)) return true;
        if (less_(a.at->value, b.at->value)) return false;
        return a.order < b.order;
    }

    void rise(std::size_t at) noexcept {
        const entry rising = heap_[at];
        while (at > 0) {
            const std::size_t above = (at - 1) / 2;
            if (!first_of(rising, heap_[above])) break;
            heap_[at] = heap_[above];
            at = above;
        }
        heap_[at] = rising;
    }

    slot* take_slot() {
        if (!free_) return new slot;
        return std::exchange(free_, free_->next);
    }
    void give_back(slot* s) noexcept {
        s->next = free_;
        free_ = s;
    }

    slot* pop_first() noexcept {
        slot* const first = heap_.front().at;
        const entry last = heap_.back();
        heap_.pop_back();
        if (!heap_.empty()) sink(last);
        return first;
    }

    // Puts `e` in the first place and sinks it to where it belongs.
    void sink(const entry e) noexcept {
        std::size_t at = 0;
        for (;;) {
            std::size_t below = 2 * at + 1;
            if (below >= heap_.size()) break;
            if (below + 1 < heap_.size() && first_of(heap_[below + 1], heap_[below])) ++below;
            if (!first_of(heap_[below], e)) break;
            heap_[at] = heap_[below];
            at = below;
        }
        heap_[at] = e;
    }

    std::vector<entry> heap_;
    slot* free_ = nullptr;
    std::uint64_t pushed_ = 0;
    [[no_unique_address]] Less less_;
};

/// Throws std::invalid_argument when `capacity` is 0.
std::size_t checked_capacity(std::size_t capacity);

}  // namespace detail

/// Passes values between tasks, the highest first, as in std::priority_queue: the value that `less` orders
/// last. Equal values are popped in the order in which they were pushed. It is a basic_channel with send and
/// receive called push and pop. When `capacity` values are in it, a push waits; its value takes part in the
/// order only once it has found room. Everything else is as for every basic_channel.
///
///     struct order { int priority; std::string what; bool operator<(const order&) const; };
///     while (auto next = co_await orders.pop()) carry_out(*next);   // until closed and empty
///
/// `less` must be a strict weak order; it must not throw or use the queue.
template <class T, class Less = less_priority>
class priority_queue : public basic_channel<detail::sent<T>, detail::priority_heap<detail::sent<T>, Less>> {
    using base = basic_channel<detail::sent<T>, detail::priority_heap<detail::sent<T>, Less>>;
    static_assert(
        detail::can_be_sent<T>,
        "what is sent is an object that can be moved: send a std::unique_ptr to one that cannot, or a "
        "pointer to one that lasts; a channel that only gives signals is a bight::channel<bool>, or a "
        "bight::semaphore");

  public:
    using push_awaiter = typename base::send_awaiter;
    using pop_awaiter = typename base::receive_awaiter;

    /// Throws std::invalid_argument when `capacity` is 0: values that never meet cannot be compared.
    explicit priority_queue(std::size_t capacity = unbounded, Less less = Less())
        : base(detail::checked_capacity(capacity), std::move(less)) {}

    /// `co_await q.push(value)`: as basic_channel::send.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    push_awaiter push(U&& value) {
        return base::send(std::forward<U>(value));
    }
    template <class U>
        requires(!std::constructible_from<T, U &&>)
    auto push(U&& value) {
        return base::send(std::forward<U>(value));  // says what is wrong
    }
    /// As basic_channel::try_send.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    bool try_push(U&& value) {
        return base::try_send(std::forward<U>(value));
    }
    /// `co_await q.pop()`: as basic_channel::receive; gives the highest value.
    pop_awaiter pop() noexcept { return base::receive(); }
    /// The highest value, or empty when there is none at present.
    std::optional<T> try_pop() { return base::try_receive(); }
};

}  // namespace bight
