#include "uring_buffers.hpp"

#include "../core/thread_state.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <new>

namespace bight::detail {

namespace {

void* map(std::size_t bytes) noexcept {
    void* got = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    return got == MAP_FAILED ? nullptr : got;
}

}  // namespace

uring_buffers* uring_buffers::make(io_uring& ring, unsigned count, int& error) noexcept {
    auto* made = new (std::nothrow) uring_buffers;
    if (!made) {
        error = -ENOMEM;
        return nullptr;
    }
    try {
        made->slots_ = std::vector<slot>(count);
    } catch (...) {
        delete made;
        error = -ENOMEM;
        return nullptr;
    }
    made->ring_bytes_ = count * sizeof(io_uring_buf);
    made->memory_bytes_ = std::size_t{count} * buffer_size;
    made->ring_ = static_cast<io_uring_buf_ring*>(map(made->ring_bytes_));
    made->memory_ = static_cast<char*>(map(made->memory_bytes_));
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(made->ring_);
    registration.ring_entries = count;
    registration.bgid = group;
    error = made->ring_ && made->memory_ ? io_uring_register_buf_ring(&ring, &registration, 0) : -ENOMEM;
    if (error != 0) {
        delete made;
        return nullptr;
    }
    io_uring_buf_ring_init(made->ring_);
    const int mask = io_uring_buf_ring_mask(count);
    for (unsigned i = 0; i < count; ++i) {
        slot& s = made->slots_[i];
        s.home = made;
        s.id = static_cast<std::uint16_t>(i);
        s.release = &release;
        io_uring_buf_ring_add(made->ring_, made->bytes(s), buffer_size, s.id, mask, static_cast<int>(i));
    }
    io_uring_buf_ring_advance(made->ring_, static_cast<int>(count));
    buffer_kept(made->memory_, made->memory_bytes_);
    return made;
}

void uring_buffers::release(buffer_block& block) noexcept {
    auto& self = static_cast<slot&>(block);
    uring_buffers& home = *self.home;
    if (&home == lender_here) [[likely]] {
        home.give_back(self);
        return;
    }
    buffer_kept(home.bytes(self), buffer_size);
    home.elsewhere_.put(self);
    if (home.elsewhere_.count_one()) delete &home;
}

void uring_buffers::give_back(slot& s) noexcept {
    --lent_;
    buffer_kept(bytes(s), buffer_size);
    const int mask = io_uring_buf_ring_mask(static_cast<unsigned>(slots_.size()));
    io_uring_buf_ring_add(ring_, bytes(s), buffer_size, s.id, mask, 0);
    io_uring_buf_ring_advance(ring_, 1);
}

void uring_buffers::give_back_all() noexcept {
    for (lent_block* b = elsewhere_.take(); b;) {
        lent_block* const next = b->next;
        ++taken_back_;
        give_back(static_cast<slot&>(*b));
        b = next;
    }
}

void uring_buffers::let_go() noexcept {
    ::munmap(ring_, ring_bytes_);
    ring_ = nullptr;
    if (elsewhere_.expect(static_cast<long>(lent_ + taken_back_))) delete this;
}

uring_buffers::~uring_buffers() {
    if (ring_) ::munmap(ring_, ring_bytes_);
    if (memory_) buffer_taken(memory_, memory_bytes_);
    if (memory_) ::munmap(memory_, memory_bytes_);
}

}  // namespace bight::detail
