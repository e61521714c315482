#include "simulated_demultiplexer.hpp"

#include "connection.hpp"
#include "datagrams.hpp"
#include "messages.hpp"
#include "pipes.hpp"
#include "process_table.hpp"

#include "../io/socket_headers.hpp"

#include <bight/core/reactor.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bight::sim::detail {

using bight::detail::descriptor;
using bight::detail::join_line;
using bight::detail::leave_line;
using bight::detail::operation;
using bight::detail::operation_kind;
using bight::detail::place_of;

namespace {

// The place of an operation in the bytes that its socket reads or writes.
std::uint64_t place_in_stream(const operation& op, const socket& s) noexcept {
    return reads(op.kind) ? 2 * s.read : 2 * s.written + 1;
}

}  // namespace

simulated_demultiplexer::simulated_demultiplexer(host_thread& on, bight::reactor& home)
    : thread_(on),
      host_(on.host),
      home_(home),
      blocks_(new bight::detail::block_pool(bight::detail::block_pool::poisons())) {
    thread_.demux = this;
    thread_.runs = &home;
}

simulated_demultiplexer::~simulated_demultiplexer() {
    orphan_all();
    blocks_->let_go();
    thread_.demux = nullptr;
    thread_.runs = nullptr;
}

void simulated_demultiplexer::attach(descriptor& d) {
    const not_failing machinery;
    const auto s = host_.find(d.fd);
    if (!s) {
        throw std::system_error(host_.refuse("a real descriptor"), "fd " + std::to_string(d.fd));
    }
    if (s->watched) {  // by a stream or listener that has another descriptor of it
        throw std::system_error(EBUSY, std::system_category(), "fd " + std::to_string(d.fd));
    }
    s->watched = &d;
    s->watcher = this;
    d.slot = next_slot_++;
    list(d);
}

void simulated_demultiplexer::detach(descriptor& d, bool close_it) noexcept {
    const not_failing machinery;
    if (const auto s = host_.find(d.fd); s && s->watched == &d) s->watched = nullptr;
    for (operation** first : {&d.reading, &d.writing}) {
        while (*first) {
            operation& op = **first;
            leave_line(op);
            forget_cancelling(op);
            if (op.stage == stage_queued) continue;  // it is queued already
            op.result = -ECANCELED;
            finish(op);
        }
    }
    if (operation* const op = take_ending(d, -ECANCELED)) finish(*op);
    if (close_it) thread_.sockets().close(d.fd);
    d.fd = -1;
    unlist(d);
}

bool simulated_demultiplexer::start(operation& op) noexcept {
    const not_failing machinery;
    if (!op.on) return start_on_disk(static_cast<bight::detail::file_operation&>(op));
    descriptor& d = *op.on;
    op.settled = op.cancel_asked = op.underway = false;
    op.stage = stage_waits;
    const bool done = !place_of(op) && try_now(op);
    const bool late = done && suffers(op, fault::slow_completion);
    const bool later = done && !late && ends_later(op);
    if (done && !late && !later) {
        host_.world.show(trait::ended_at_once);
        thread_.cause = number_of(op);
        return true;
    }
    d.keep();
    op.in_flight = true;
    if (late) {
        finish_late(op);
    } else if (later) {
        host_.world.show(trait::ended_later);
        finish(op);
    } else {
        park(op);
    }
    return false;
}

// A file operation takes effect when it ends; operations end in any order, and a crash before that undoes
// one. One that has begun is not cancelled.
bool simulated_demultiplexer::start_on_disk(bight::detail::file_operation& op) {
    op.settled = op.cancel_asked = false;
    op.in_flight = true;
    op.stage = stage_ended;
    count_without_descriptor(1);
    world_state& w = host_.world;
    const bool syncs = op.kind == operation_kind::sync_file;
    random_source drawn = thread_.chance.draw(purpose::disk);
    std::chrono::microseconds takes(drawn.between(syncs ? 500 : 10, syncs ? 10'000 : 200));
    if (w.happens(fault::slow_disk, host_, thread_.chance)) {
        takes += std::chrono::microseconds(w.amount(fault::slow_disk).between(1, 5'000'000));
    }
    on_disk_.push_back(&op);
    // fsync(2) guarantees what was written before the call; the seed decides whether later writes are covered
    // too.
    std::shared_ptr<const disk_state::snapshot> covered;
    if (syncs && drawn.chance(0.5)) {
        covered = std::make_shared<disk_state::snapshot>(host_.disk.begin_sync(op));
    }
    w.events.at(saturating_add(w.clock.now(), takes), [&thread = thread_, this, &op, covered] {
        if (thread.demux != this) return;
        std::erase(on_disk_, &op);
        op.result = perform_on_disk(op, covered.get());
        finish_without_descriptor(op);
    });
    return false;
}

void simulated_demultiplexer::finish_without_descriptor(operation& op) {
    count_without_descriptor(-1);
    finish(op);
}

// Ends the operations selected by `which` without carrying them out.
template <class Predicate>
void simulated_demultiplexer::end_on_disk(Predicate which) {
    for (operation* op : std::vector(on_disk_)) {
        if (!which(*op)) continue;
        std::erase(on_disk_, op);
        op->result = -ECANCELED;
        finish_without_descriptor(*op);
    }
}

bool simulated_demultiplexer::cancel(operation& op) noexcept {
    const not_failing machinery;
    if (op.stage != stage_waits) {  // its result is on its way
        op.cancel_asked = true;
        return false;
    }
    if (place_of(op) == &op && suffers(op, fault::late_cancel)) {
        op.cancel_asked = true;
        const duration until =
            std::chrono::microseconds(host_.world.amount(fault::late_cancel).between(1, 1000));
        host_.world.events.at(saturating_add(host_.world.clock.now(), until),
                              [&thread = thread_, this, fd = op.on->fd, reading = reads(op.kind)] {
                                  // By then it may have succeeded and be gone; ending another cancelled one
                                  // instead does no harm.
                                  const auto s = thread.demux == this ? host_.find(fd) : nullptr;
                                  if (!s || !s->watched) return;
                                  operation* const first =
                                      reading ? s->watched->reading : s->watched->writing;
                                  if (!first || !first->cancel_asked || first->stage != stage_waits) return;
                                  end_cancelled(*first);
                              });
        return false;
    }
    if (place_of(op) == &op && has().cancelled != end_of_cancelled::at_once) {
        if (!std::exchange(op.cancel_asked, true)) cancel_some_time(op);
        return false;
    }
    leave_line(op);
    op.in_flight = false;
    op.on->drop();
    return true;
}

// Ends an operation that was cancelled while it was first in its line.
void simulated_demultiplexer::end_cancelled(operation& op) {
    descriptor& d = *op.on;
    const bool reading = reads(op.kind);
    leave_line(op);
    op.result = -ECANCELED;
    finish(op);
    changed(d, reading);
}

// An operation was tried in vain, unless what it waits for has come by now.
bool simulated_demultiplexer::settle(operation& op) noexcept {
    const not_failing machinery;
    descriptor& d = *op.on;
    op.stage = stage_being_tried;
    // As where a kernel only reports readiness: nothing would be lost with a send.
    const bool hopeless = op.cancel_asked && op.kind == operation_kind::send && calls_in_turn(op);
    const bool in_vain = !could_end(op);
    const bool done = host_.up && !hopeless && try_now(op);
    op.stage = stage_waits;
    if (!hopeless) host_.world.show(in_vain && !done ? trait::tried_in_vain : trait::called_in_turn);
    if (done && op.cancel_asked) host_.world.show(trait::beat_cancellation);
    if (!done) {
        if (!op.cancel_asked && host_.up) return false;
        op.result = -ECANCELED;
    }
    forget_cancelling(op);
    leave_line(op);
    changed(d, reads(op.kind));
    return true;
}

bool simulated_demultiplexer::suffers(operation& op, fault f) {
    const auto s = host_.find(op.on->fd);
    return s && host_.world.happens(f, *s, place_in_stream(op, *s));
}

void simulated_demultiplexer::park(operation& op) {
    if (!join_line(op)) return;
    if (suffers(op, fault::false_readiness)) {
        try_for_nothing_soon(op, static_cast<int>(host_.world.amount(fault::false_readiness).between(1, 8)));
    } else if (has().tries_in_vain) {
        try_in_vain_some_time(op);
    }
}

void simulated_demultiplexer::try_for_nothing_soon(operation& op, int times) {
    // By then another operation may wait there: that one serves as well.
    const duration pause = std::chrono::microseconds(20);
    host_.world.events.at(saturating_add(host_.world.clock.now(), pause),
                          [&thread = thread_, this, fd = op.on->fd, reading = reads(op.kind), times] {
                              const auto s = thread.demux == this ? host_.find(fd) : nullptr;
                              if (!s || !s->watched) return;
                              operation* const tried = reading ? s->watched->reading : s->watched->writing;
                              if (!tried || tried->stage != stage_waits) return;
                              tried->stage = stage_queued;
                              if (times > 1) try_for_nothing_soon(*tried, times - 1);
                              tell(*tried);
                          });
}

void simulated_demultiplexer::wait(duration) {
    const not_failing machinery;
    host_.world.deliver_due();
    if (!host_.up) end_what_takes_time();
    if (done_.empty() || (gathering_ && host_.up)) return;
    const std::vector<completion> told = next_report();
    if (host_.up) count_what_is_reported(told);
    for (const completion& c : told) bight::detail::reactor_access::schedule(home_, *c.op);
}

// The tasks of a crashed host end with the world: no time passes, and cancelled operations get no result any
// more.
void simulated_demultiplexer::end_what_takes_time() {
    gathering_ = false;
    finish_late_ones();
    end_on_disk([](const operation& op) { return op.cancel_asked; });
    for (const completion& c : done_) {
        if (!c.op->cancel_asked) continue;
        if (c.op->kind == operation_kind::receive) {
            static_cast<bight::detail::receive_operation*>(c.op)->target->data.reset();
        }
        c.op->result = -ECANCELED;
    }
    for (descriptor& d : descriptors()) {
        // Nobody tells the end of a child that went with its host.
        operation* const first = d.reading;
        if (first && first->kind == operation_kind::wait_process && first->stage == stage_waits) {
            leave_line(*first);
            first->result = -ECHILD;
            finish(*first);
        }
        for (operation** place : {&d.reading, &d.writing}) {
            if (!*place || !(*place)->cancel_asked || (*place)->stage != stage_waits) continue;
            end_cancelled(**place);
        }
    }
}

void simulated_demultiplexer::stop_all() noexcept {
    const not_failing machinery;
    gathering_ = false;
    finish_late_ones();
    end_on_disk([](const operation&) { return true; });
    demultiplexer::stop_all();
}

// The error of a read that has completed, but whose task has not run yet.
std::int64_t simulated_demultiplexer::read_failure(const descriptor& d) const noexcept {
    const auto fails = [&d](const operation* op) {
        return op->on == &d && op->stage == stage_ended && reads(op->kind) && op->result < 0 &&
               op->result != -ECANCELED;
    };
    for (const operation* op : late_) {
        if (fails(op)) return op->result;
    }
    for (const completion& c : done_) {
        if (fails(c.op)) return c.op->result;
    }
    // On a completion port a send fails with the error itself, whoever else is to get it.
    if (has().calls == call_in_turn::receives_into_buffers && d.reading && d.reading->stage == stage_queued) {
        const auto s = host_.find(d.fd);
        if (s && s->incoming.empty()) return -s->error;
    }
    return 0;
}

void simulated_demultiplexer::finish_late_ones() {
    for (operation* op : std::exchange(late_, {})) finish(*op);
}

void simulated_demultiplexer::changed(descriptor& d, bool reading) noexcept {
    if (reading && d.ending) look_for_end(d);
    operation*& first = reading ? d.reading : d.writing;
    while (operation* const op = first) {
        if (op->stage != stage_waits) return;
        if (calls_in_turn(*op)) {
            if (could_end(*op)) report_ready(*op);
            return;
        }
        op->stage = stage_being_tried;  // its effects may lead back here
        const bool done = try_now(*op);
        op->stage = stage_waits;
        if (!done) return;
        if (op->cancel_asked) host_.world.show(trait::beat_cancellation);
        leave_line(*op);
        if (suffers(*op, fault::slow_completion)) {
            finish_late(*op);
        } else {
            finish(*op);
        }
    }
}

void simulated_demultiplexer::look_for_end(descriptor& d) {
    if (thread_.sockets().state_of_peer(d.fd) == bight::detail::socket_calls::peer_state::there) return;
    operation& op = *std::exchange(d.ending, nullptr);
    op.result = 0;
    if (suffers(op, fault::slow_completion)) {
        finish_late(op);
    } else {
        finish(op);
    }
}

void simulated_demultiplexer::finish(operation& op) {
    forget_cancelling(op);
    op.settled = true;
    op.stage = stage_ended;
    tell(op);
}

void simulated_demultiplexer::tell(operation& op) {
    const int slot = op.on && op.on->demux == this ? op.on->slot : -1;
    done_.push_back({&op, number_of(op), slot});
    if (has().gathers && !gathering_ && done_.size() == 1) gather();
}

std::uint64_t simulated_demultiplexer::number_of(operation& op) {
    const auto s = op.on ? host_.find(op.on->fd) : nullptr;
    if (!s) return thread_.chance.draw(purpose::completion).next();
    return s->chance.draw(purpose::completion, place_in_stream(op, *s)).next();
}

void simulated_demultiplexer::finish_late(operation& op) {
    op.stage = stage_ended;
    late_.push_back(&op);
    const duration until =
        std::chrono::microseconds(host_.world.amount(fault::slow_completion).between(1, 50'000));
    host_.world.events.at(saturating_add(host_.world.clock.now(), until), [&thread = thread_, this, &op] {
        if (thread.demux != this) return;
        const auto at = std::find(late_.begin(), late_.end(), &op);
        if (at == late_.end()) return;
        late_.erase(at);
        finish(op);
    });
}

bool simulated_demultiplexer::try_now(operation& op) {
    const auto s = host_.find(op.on->fd);
    op.result = 0;
    if (!s) {
        op.result = host_.up ? -EBADF : -ENETDOWN;
        return true;
    }
    switch (op.kind) {
        case operation_kind::receive:
        case operation_kind::receive_into:
            return try_receive(static_cast<bight::detail::receive_operation&>(op), *s);
        case operation_kind::send: return try_send(static_cast<bight::detail::send_operation&>(op), s);
        case operation_kind::write:
            if (s->pipe) return write_end(host_.world, static_cast<bight::detail::send_operation&>(op), s);
            op.result = -EBADF;
            return true;
        case operation_kind::wait_process: return !s->process || s->process->ended;
        case operation_kind::accept: return try_accept(op, *s);
        case operation_kind::connect:
            return try_connect(static_cast<bight::detail::connect_operation&>(op), s);
        case operation_kind::receive_message:
            return receive_message(static_cast<bight::detail::receive_message_operation&>(op), *s);
        case operation_kind::send_message:
            return send_message(static_cast<bight::detail::send_message_operation&>(op), s);
        case operation_kind::receive_datagrams:
            return receive_datagrams(host_.world,
                                     static_cast<bight::detail::receive_datagrams_operation&>(op), *s);
        case operation_kind::send_datagrams:
            return send_datagrams(host_.world, static_cast<bight::detail::send_datagrams_operation&>(op), s);
        case operation_kind::poll_read:
            if (s->pipe) return is_readable(*s);
            return s->error != 0 || s->is == socket::stage::closed || !s->incoming.empty() || s->end_came ||
                   !s->backlog.empty() || !s->datagrams.empty();
        case operation_kind::poll_write:
            return s->is != socket::stage::connecting && (s->is != socket::stage::connected || room(*s) > 0);
        default: op.result = -ENOSYS; return true;  // not simulated
    }
}

bool simulated_demultiplexer::try_receive(bight::detail::receive_operation& op, socket& s) {
    bight::detail::receive_target& to = *op.target;
    to.data.reset();
    if (s.incoming.empty()) {
        // As in Linux an error is reported once, to the first call; TCP does not report it to a reader that
        // has got the end.
        if (s.family == AF_UNIX || !s.end_came) op.result = -std::exchange(s.error, 0);
        return op.result < 0 || s.end_came || s.is == socket::stage::closed;
    }
    std::size_t size = s.incoming.size();
    if (size > 1 && host_.world.happens(fault::short_read, s, s.read)) {
        size = static_cast<std::size_t>(host_.world.amount(fault::short_read).between(1, size - 1));
    }
    size = until_descriptors(s, size);
    char* into = static_cast<char*>(to.into.data);
    if (op.kind == operation_kind::receive) {
        const bool none = host_.world.happens(fault::no_memory, s, s.read);
        bight::detail::block_pool::block* const block = none ? nullptr : blocks_->take();
        if (!block) {
            op.result = -ENOMEM;
            return true;
        }
        const std::size_t most = has().largest_chunk;
        size = std::min(size, most > 0 ? most : bight::detail::block_pool::block_size);
        block->used = size;
        into = block->bytes();
        to.data.fill(*block, into, size);
    } else {
        size = std::min(size, to.into.size);
    }
    std::copy_n(s.incoming.data(), size, into);
    s.incoming.erase(0, size);
    s.read += size;
    drop_descriptors(s);
    op.result = static_cast<int>(size);
    taken(host_.world, s);
    return true;
}

bool simulated_demultiplexer::try_send(bight::detail::send_operation& op, const std::shared_ptr<socket>& s) {
    op.advance(0);
    if (s->is == socket::stage::connecting || s->is == socket::stage::fresh) {
        op.result = -ENOTCONN;
        return true;
    }
    const int error = s->family == AF_UNIX ? 0 : std::exchange(s->error, 0);
    if (error != 0 || s->is != socket::stage::connected || s->end_asked) {
        op.result = error != 0 ? -error : -EPIPE;
        return true;
    }
    if (!op.underway && op.piece_count > 0 && host_.world.happens(fault::no_buffers, *s, s->written)) {
        op.result = -ENOBUFS;
        return true;
    }
    if (!op.underway && host_.world.happens(fault::small_window, *s, s->written)) {
        random_source& amount = host_.world.amount(fault::small_window);
        const auto most = static_cast<std::size_t>(amount.between(1, 512));
        narrow_for(host_.world, s, most, std::chrono::microseconds(amount.between(1, 50'000)));
    }
    op.underway = true;
    while (op.piece_count > 0) {
        std::size_t size = std::min(op.pieces->size, room(*s));
        if (size == 0) return false;
        const bool in_part = size > 1 && host_.world.happens(fault::short_write, *s, s->written);
        if (in_part)
            size = static_cast<std::size_t>(host_.world.amount(fault::short_write).between(1, size - 1));
        give(host_.world, s, {static_cast<const char*>(op.pieces->data), size});
        op.advance(size);
        if (!in_part) continue;
        const duration rest =
            std::chrono::microseconds(host_.world.amount(fault::short_write).between(1, 1000));
        host_.world.events.at(saturating_add(host_.world.clock.now(), rest), [s] { tell_writer(*s); });
        return false;
    }
    return true;
}

bool simulated_demultiplexer::try_accept(operation& op, socket& s) {
    if (s.backlog.empty() && !thread_.sockets().exhausted()) return false;
    if (host_.world.happens(fault::accept_error, host_,
                            s.backlog.empty() ? s.chance : s.backlog.front()->chance)) {
        static constexpr std::array errors{EMFILE, ENFILE, ECONNABORTED, EPERM, ENOBUFS, ENOMEM};
        op.result = -errors[host_.world.amount(fault::accept_error).below(errors.size())];
        return true;
    }
    op.result = thread_.sockets().accept(s);
    return true;
}

bool simulated_demultiplexer::try_connect(bight::detail::connect_operation& op,
                                          const std::shared_ptr<socket>& s) {
    if (!op.underway) {
        op.underway = true;
        const int begun = begin_connect(
            host_.world, s, address::from_native(op.address, static_cast<std::size_t>(op.address_size)),
            thread_);
        op.result = begun < 0 ? begun : 0;
        return begun <= 0;
    }
    if (s->is == socket::stage::connecting) return false;
    op.result = -std::exchange(s->error, 0);
    return true;
}

}  // namespace bight::sim::detail
