#include "demultiplexer.hpp"

#include "block_pool.hpp"
#include "descriptor_calls.hpp"
#include "ring_state.hpp"

#include "socket_calls.hpp"

#include <bight/core/error.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <system_error>

namespace bight::detail {

descriptor::~descriptor() { delete ring; }

bool join_line(operation& op) noexcept {
    operation*& first = place_of(op);
    operation*& last = reads(op.kind) ? op.on->last_reading : op.on->last_writing;
    op.behind = nullptr;
    if (!first) {
        first = &op;
        return true;
    }
    (first->behind ? last : first)->behind = &op;
    last = &op;
    return false;
}

void leave_line(operation& op) noexcept {
    operation*& first = place_of(op);
    if (first == &op) {
        first = op.behind;
    } else {
        operation*& last = reads(op.kind) ? op.on->last_reading : op.on->last_writing;
        operation* before = first;
        while (before->behind != &op) before = before->behind;
        before->behind = op.behind;
        if (last == &op) last = before;
    }
    op.behind = nullptr;
}

sendable next_to_send(const send_operation& op, std::size_t limit) noexcept {
    sendable next;
    if (op.piece_count == 0) return next;
    next = {1, std::min(op.pieces->size, limit)};
    const std::size_t most = std::min<std::size_t>(op.piece_count, IOV_MAX);
    while (next.count < most && op.pieces[next.count].size <= limit - next.size) {
        next.size += op.pieces[next.count].size;
        ++next.count;
    }
    return next;
}

void operation::run() noexcept {
    descriptor* d = on;
    if (!d) {
        in_flight = false;
        completed();
        return;
    }
    if (!settled && d->demux) {
        if (!d->demux->settle(*this)) return;
    } else if (!settled) {  // the descriptor was detached while this was queued
        result = -ECANCELED;
    }
    in_flight = false;
    completed();
    d->drop();
}

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

namespace {

struct choice {
    demultiplexer_kind kind;
    const char* name;
};

// Best first.
constexpr choice choices[] = {
    {demultiplexer_kind::io_uring, "io_uring"},
    {demultiplexer_kind::epoll, "epoll"},
    {demultiplexer_kind::poll, "poll"},
    {demultiplexer_kind::select, "select"},
};

#if !BIGHT_HAS_IO_URING
}  // namespace

std::unique_ptr<demultiplexer> make_uring(reactor&, const reactor_options&, std::string& why) {
    why = "this bight was built without it (liburing 2.3 or later was not found)";
    return nullptr;
}

namespace {
#endif

std::unique_ptr<demultiplexer> make(const choice& c, reactor& home, const reactor_options& options,
                                    std::string& why) {
    switch (c.kind) {
        case demultiplexer_kind::io_uring: return make_uring(home, options, why);
        case demultiplexer_kind::epoll: return make_epoll(home, why);
        case demultiplexer_kind::poll: return make_poll(home, why);
        case demultiplexer_kind::select: return make_select(home, why);
        case demultiplexer_kind::automatic: break;
    }
    return nullptr;
}

std::string list_available(reactor& home, const reactor_options& options) {
    std::string names;
    for (const choice& c : choices) {
        std::string why;
        if (make(c, home, options, why)) names += (names.empty() ? "" : ", ") + std::string(c.name);
    }
    return names;
}

[[noreturn]] void refuse(const std::string& what, reactor& home, const reactor_options& options) {
    throw std::system_error(errc::unavailable, what + "; available here: " + list_available(home, options));
}

// A reactor is made for each thread, but what is missing here is missing everywhere: it is said once.
void log_fallback_once(const std::string& why, std::string_view used) {
    static std::atomic<bool> logged{false};
    if (!logged.exchange(true)) log(log_level::warning, why + "; using " + std::string(used));
}

}  // namespace

std::unique_ptr<event_port> choose_event_port(reactor& home, const reactor_options& options, std::string& why) {
    demultiplexer_kind wanted = options.demultiplexer;
    std::string asked_by = "reactor_options";
    const char* variable = std::getenv("BIGHT_REACTOR");
    if (wanted == demultiplexer_kind::automatic && variable && *variable) {
        asked_by = "the environment variable BIGHT_REACTOR";
        for (const choice& c : choices) {
            if (std::string_view(variable) == c.name) wanted = c.kind;
        }
        if (wanted == demultiplexer_kind::automatic) {
            refuse("unknown demultiplexer \"" + std::string(variable) + "\" in " + asked_by +
                       " (sim:SEED is a simulated one)",
                   home, options);
        }
    }
    for (const choice& c : choices) {
        if (wanted != demultiplexer_kind::automatic && wanted != c.kind) continue;
        std::string refusal;
        auto made = make(c, home, options, refusal);
        if (made) {
            if (!why.empty()) log_fallback_once(why, c.name);
            return made;
        }
        if (wanted == c.kind) {
            refuse(std::string(c.name) + ", asked for by " + asked_by + ", cannot be had: " + refusal, home,
                   options);
        }
        why += (why.empty() ? "" : "; ") + std::string(c.name) + " is not available: " + refusal;
    }
    throw std::system_error(errc::unavailable, why);
}

}  // namespace bight::detail
