// A first-in-first-out store that never moves what it holds.
#pragma once

#include <bight/core/export.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Blocks of slots in a circle, which grows by one block when the next one is still in use. Blocks are kept
/// until the end: a ring that has been as full as it gets allocates no more, and one that holds nothing has
/// allocated nothing. Nothing in it is ever moved, so a T whose move throws is safe in it.
template <class T>
class block_ring {
  public:
    static constexpr const char* name = "a channel";
    /// Slots in a block: about 1 KiB.
    static constexpr std::size_t block_size =
        sizeof(T) >= 512 ? 2 : (sizeof(T) <= 16 ? 64 : 1024 / sizeof(T));

    block_ring() noexcept = default;
    block_ring(const block_ring&) = delete;
    block_ring& operator=(const block_ring&) = delete;
    ~block_ring() {
        while (size_ > 0) pop_front();
        if (!head_) return;
        block* const first = head_;
        for (block* b = first->next; b != first;) delete std::exchange(b, b->next);
        delete first;
    }

    std::size_t size() const noexcept { return size_; }

    /// Throws std::bad_alloc, and what T's constructor throws; then nothing has changed.
    template <class U>
    void push(U&& value) {
        block* at = tail_;
        if (tail_index_ == block_size) at = block_after_tail();
        const std::size_t index = at == tail_ ? tail_index_ : 0;
        ::new (static_cast<void*>(&at->slots[index])) T(std::forward<U>(value));
        tail_ = at;
        tail_index_ = index + 1;
        ++size_;
    }

    /// Moves the oldest into `into`. It is taken out even when moving it throws. Not when it is empty.
    void take(std::optional<T>& into) {
        struct popped {
            block_ring& self;
            ~popped() { self.pop_front(); }
        } const after{*this};
        into.emplace(std::move(head_->slots[head_index_]));
    }

  private:
    struct block {
        block() noexcept {}
        ~block() {}
        block* next = this;
        union {
            T slots[block_size];
        };
    };

    // Links a new block in when the circle has none that is free.
    block* block_after_tail() {
        if (!tail_) {
            head_ = tail_ = new block;
            tail_index_ = 0;
        } else if (tail_->next == head_) {
            auto* const fresh = new block;
            fresh->next = head_;
            tail_->next = fresh;
            return fresh;
        } else {
            return tail_->next;
        }
        return tail_;
    }

    void pop_front() noexcept {
        head_->slots[head_index_].~T();
        ++head_index_;
        if (--size_ == 0) {  // head and tail are in one block: begin again there, where the cache is warm
            head_index_ = tail_index_ = 0;
        } else if (head_index_ == block_size) {
            head_ = head_->next;
            head_index_ = 0;
        }
    }

    block* head_ = nullptr;
    block* tail_ = nullptr;
    std::size_t head_index_ = 0;
    std::size_t tail_index_ = block_size;
    std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace bight
