#include "demultiplexer.hpp"

#include "block_pool.hpp"
#include "change_feed.hpp"
#include "descriptor_calls.hpp"
#include "socket_calls.hpp"

#include <cerrno>
#include <utility>

namespace bight::detail {

demultiplexer::~demultiplexer() {
    if (blocks_) blocks_->let_go();
}

std::unique_ptr<change_feed> demultiplexer::follow_files(change_listener&) { return nullptr; }

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

bool demultiplexer::watch_end(operation& op) noexcept {
    descriptor& d = *op.on;
    op.settled = op.cancel_asked = op.underway = false;
    d.ending = &op;
    if (!ending_changed(d)) {
        d.ending = nullptr;
        op.result = -ENOMEM;
        return true;
    }
    op.in_flight = true;
    d.keep();
    return false;
}

bool demultiplexer::cancel_watch(operation& op) noexcept {
    descriptor& d = *op.on;
    op.cancel_asked = true;
    if (d.ending != &op) return false;  // it is about to complete
    d.ending = nullptr;
    (void)ending_changed(d);
    op.in_flight = false;
    d.drop();
    return true;
}

operation* demultiplexer::take_ending(descriptor& d, int result) noexcept {
    operation* const op = std::exchange(d.ending, nullptr);
    if (op) {
        op->result = result;
        op->settled = true;
    }
    return op;
}

void demultiplexer::stop_all() noexcept {
    while (descriptor* const d = descriptors_.front()) {
        d->abandoned();
        detach(*d, true);
    }
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
        d->abandoned();
        if (d->was_blocking) set_blocking(d->fd);
        sockets().close(d->fd);
        d->fd = -1;
        d->reading = d->writing = d->ending = nullptr;
        unlist(*d);
    }
}

}  // namespace bight::detail
