// payload_queue: the messages of an outbox, first in, first out.
#pragma once

#include <bight/io/payload.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace bight::detail {

/// A ring of references. The first few are in the queue itself, which for a client that keeps up is all that
/// is ever used; memory for more is given back when the queue is empty again, but for a little.
class payload_queue {
  public:
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    payload& operator[](std::size_t i) noexcept { return slots()[(head_ + i) & (capacity_ - 1)]; }
    payload& front() noexcept { return (*this)[0]; }
    payload& back() noexcept { return (*this)[size_ - 1]; }

    /// Throws std::bad_alloc, and then nothing has changed.
    void push_back(payload&& message) {
        if (size_ == capacity_) grow();
        ++size_;
        back() = std::move(message);
    }
    void pop_front() noexcept {
        front() = payload();
        head_ = (head_ + 1) & (capacity_ - 1);
        if (--size_ == 0) emptied();
    }
    /// Removes one in the middle; those before it keep their order and their places from the front.
    void erase(std::size_t i) noexcept {
        for (; i > 0; --i) (*this)[i] = std::move((*this)[i - 1]);
        pop_front();
    }
    void clear() noexcept {
        while (size_ > 0) pop_front();
    }

  private:
    static constexpr std::size_t few = 4;
    static constexpr std::size_t kept = 16;

    payload* slots() noexcept { return more_ ? more_.get() : first_; }

    void grow() {
        std::unique_ptr<payload[]> larger(new payload[2 * capacity_]);
        for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
        more_ = std::move(larger);
        head_ = 0;
        capacity_ *= 2;
    }

    // Begins again in the slots that are in the processor's cache.
    void emptied() noexcept {
        head_ = 0;
        if (capacity_ <= kept) return;
        more_.reset();
        capacity_ = few;
    }

    std::unique_ptr<payload[]> more_;
    std::size_t head_ = 0;
    std::size_t size_ = 0;
    std::size_t capacity_ = few;  // a power of two
    payload first_[few];
};

}  // namespace bight::detail
