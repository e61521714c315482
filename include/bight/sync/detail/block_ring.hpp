// block_ring: a first-in-first-out queue that never moves its elements.
#pragma once

#include <bight/core/export.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Blocks of slots in a circle, which grows by one block when the next one is still in use. Blocks are kept
/// until the ring is destroyed, so that it allocates only when it gets fuller than ever before; an unused
/// ring has allocated nothing. Elements never move, so a T whose move constructor throws is safe in it.
///
/// While a constructor or destructor of T runs in a slot, no block is reused, whatever that code does with
/// the ring.
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
        while (size_ > 0) const taken_out gone(*this);
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
        const in_use now(busy_);
        ::new (static_cast<void*>(&at->slots[index])) T(std::forward<U>(value));
        tail_ = at;
        tail_index_ = index + 1;
        ++size_;
    }

    /// Removes the oldest value and moves it into `into`; it is removed even when moving throws. The ring
    /// must not be empty.
    void take(std::optional<T>& into) {
        const taken_out first(*this);
        into.emplace(std::move(*first.value));
    }

  private:
    class in_use {
      public:
        explicit in_use(unsigned& busy) noexcept : busy_(busy) { ++busy_; }
        in_use(const in_use&) = delete;
        in_use& operator=(const in_use&) = delete;
        ~in_use() { --busy_; }

      private:
        unsigned& busy_;
    };

    /// The oldest value, removed from the ring; it is destroyed with this object.
    struct taken_out {
        explicit taken_out(block_ring& r) noexcept : ring(r), value(r.claim_front()) { ++ring.busy_; }
        taken_out(const taken_out&) = delete;
        taken_out& operator=(const taken_out&) = delete;
        ~taken_out() {
            value->~T();
            --ring.busy_;
            ring.tidy();
        }
        block_ring& ring;
        T* value;
    };

    struct block {
        block() noexcept {}
        ~block() {}
        block* next = this;
        union {
            T slots[block_size];
        };
    };

    // The block after the tail; links in a new one when no block of the circle is free.
    block* block_after_tail() {
        if (!tail_) {
            head_ = tail_ = new block;
            tail_index_ = 0;
        } else if (tail_->next == head_ || busy_ > 0) {
            auto* const fresh = new block;
            fresh->next = tail_->next;
            tail_->next = fresh;
            return fresh;
        } else {
            return tail_->next;
        }
        return tail_;
    }

    T* claim_front() noexcept {
        if (head_index_ == block_size) next_block();  // tidy did not, while busy
        --size_;
        return &head_->slots[head_index_++];
    }

    void next_block() noexcept {
        head_ = head_->next;
        head_index_ = 0;
    }

    void tidy() noexcept {
        if (busy_ > 0) return;
        if (size_ == 0) {  // begin again at the start of the block, which is in the processor's cache
            head_ = tail_;
            head_index_ = tail_index_ = 0;
        } else if (head_index_ == block_size) {
            next_block();
        }
    }

    block* head_ = nullptr;
    block* tail_ = nullptr;
    std::size_t head_index_ = 0;
    std::size_t tail_index_ = block_size;
    std::size_t size_ = 0;
    unsigned busy_ = 0;  // constructors and destructors of T that are running
};

}  // namespace detail
}  // namespace bight
