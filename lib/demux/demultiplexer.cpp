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
    descriptors_.push_front(d);
}

void demultiplexer::unlist(descriptor& d) noexcept {
    descriptors_.remove(d);
    d.demux = nullptr;
}

void demultiplexer::stop_all() noexcept {
    while (descriptor* const d = descriptors_.front()) detach(*d, true);
}

void demultiplexer::hand_on(demultiplexer& heir) noexcept {
    while (descriptor* const d = descriptors_.front()) {
        unlist(*d);
        heir.list(*d);
    }
    heir.without_descriptor_ = without_descriptor_;
    heir.operations = operations;
}

void demultiplexer::orphan_all() noexcept {
    while (descriptor* const d = descriptors_.front()) {
        if (d->was_blocking) set_blocking(d->fd);
        sockets().close(d->fd);
        d->fd = -1;
        d->reading = d->writing = nullptr;
        unlist(*d);
    }
}

}  // namespace bight::detail
