#include "demultiplexer.hpp"

#include "block_pool.hpp"
#include "descriptor_calls.hpp"
#include "socket_calls.hpp"

namespace bight::detail {

demultiplexer::~demultiplexer() {
    if (blocks_) blocks_->let_go();
}

socket_calls& demultiplexer::sockets() noexcept { return kernel_sockets(); }

std::size_t demultiplexer::lent_buffers() const noexcept { return blocks_ ? blocks_->lent() : 0; }

void demultiplexer::list(descriptor& d) noexcept {
    d.demux = this;
    d.previous = nullptr;
    d.next = first_;
    if (first_) first_->previous = &d;
    first_ = &d;
    ++count_;
}

void demultiplexer::unlist(descriptor& d) noexcept {
    if (d.previous) {
        d.previous->next = d.next;
    } else {
        first_ = d.next;
    }
    if (d.next) d.next->previous = d.previous;
    d.next = d.previous = nullptr;
    d.demux = nullptr;
    --count_;
}

void demultiplexer::stop_all() noexcept {
    while (first_) detach(*first_, true);
}

void demultiplexer::hand_on(demultiplexer& heir) noexcept {
    while (descriptor* d = first_) {
        unlist(*d);
        heir.list(*d);
    }
    heir.without_descriptor_ = without_descriptor_;
    heir.operations = operations;
}

void demultiplexer::orphan_all() noexcept {
    while (descriptor* d = first_) {
        if (d->was_blocking) set_blocking(d->fd);
        sockets().close(d->fd);
        d->fd = -1;
        d->reading = d->writing = nullptr;
        unlist(*d);
    }
}

}  // namespace bight::detail
