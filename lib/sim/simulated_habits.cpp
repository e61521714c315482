// The habits of a simulated demultiplexer: when operations end, and what a wait reports.
#include "simulated_demultiplexer.hpp"

#include "connection.hpp"
#include "datagrams.hpp"
#include "pipes.hpp"
#include "process_table.hpp"

#include <bight/sim/allocation_fault.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace bight::sim::detail {

namespace {

// An end, a reader, a writer.
int rank_of(bight::detail::operation_kind kind) noexcept {
    return kind == bight::detail::operation_kind::poll_end ? 0 : bight::detail::reads(kind) ? 1 : 2;
}

// The standard's take memory for that, which may be made to fail here. These lists are short.
template <class I, class F>
I move_to_front(I first, const I last, F wanted) {
    for (I at = first; at != last; ++at) {
        if (wanted(*at)) std::rotate(first++, at, at + 1);
    }
    return first;
}

template <class I, class F>
void sort_stably(const I first, const I last, F less) {
    for (I at = first; at != last; ++at) std::rotate(std::upper_bound(first, at, *at, less), at, at + 1);
}

}  // namespace

using bight::detail::operation;
using bight::detail::operation_kind;

bool simulated_demultiplexer::ends_later(operation& op) {
    switch (has().results) {
        case first_result::at_once: return false;
        case first_result::later: return true;
        case first_result::either: break;
    }
    const auto s = host_.find(op.on->fd);
    keyed_chance& by = s ? s->chance : thread_.chance;
    return by.draw(purpose::submission, s ? s->read + s->written : 0).below(2) == 0;
}

bool simulated_demultiplexer::calls_in_turn(const operation& op) const noexcept {
    switch (has().calls) {
        case call_in_turn::none: return false;
        case call_in_turn::receives_into_buffers:
            return op.kind == operation_kind::receive || op.kind == operation_kind::receive_datagrams ||
                   op.kind == operation_kind::send_datagrams;
        case call_in_turn::all: break;
    }
    return true;
}

bool simulated_demultiplexer::could_end(const operation& op) const {
    const auto s = host_.find(op.on->fd);
    if (!s) return true;
    switch (op.kind) {
        case operation_kind::receive:
        case operation_kind::receive_into:
        case operation_kind::receive_message:
            return s->error != 0 || s->is == socket::stage::closed || !s->incoming.empty() || s->end_came;
        case operation_kind::accept: return !s->backlog.empty() || thread_.sockets().exhausted();
        case operation_kind::connect: return s->is != socket::stage::connecting;
        case operation_kind::send:
        case operation_kind::send_message:
            return s->error != 0 || s->is != socket::stage::connected || s->end_asked || room(*s) > 0;
        case operation_kind::write: return !s->pipe || is_writable(*s);
        case operation_kind::wait_process: return !s->process || s->process->ended;
        case operation_kind::poll_read:
            if (s->pipe) return is_readable(*s);
            return s->error != 0 || s->is == socket::stage::closed || !s->incoming.empty() || s->end_came ||
                   !s->backlog.empty() || !s->datagrams.empty();
        case operation_kind::poll_write:
            return s->is != socket::stage::connecting && (s->is != socket::stage::connected || room(*s) > 0);
        case operation_kind::receive_datagrams: return has_datagram(*s);
        case operation_kind::send_datagrams: return can_send_datagram(*s);
        default: return true;
    }
}

void simulated_demultiplexer::report_ready(operation& op) {
    if (!suffers(op, fault::slow_completion)) {
        op.stage = stage_queued;
        tell(op);
        return;
    }
    const duration late =
        std::chrono::microseconds(host_.world.amount(fault::slow_completion).between(1, 50'000));
    host_.world.events.at(
        saturating_add(host_.world.clock.now(), late),
        [&thread = thread_, this, fd = static_cast<int>(op.on->fd), reading = reads(op.kind)] {
            if (thread.demux == this) report_first(fd, reading);
        });
}

void simulated_demultiplexer::report_first(int fd, bool reading) {
    const auto s = host_.find(fd);
    if (!s || !s->watched) return;
    operation* const first = reading ? s->watched->reading : s->watched->writing;
    if (!first || first->stage != stage_waits) return;
    first->stage = stage_queued;
    tell(*first);
}

// One wait in four: a checksum that is found to be wrong, another process that was faster.
void simulated_demultiplexer::try_in_vain_some_time(operation& op) {
    const auto s = host_.find(op.on->fd);
    if (!s) return;
    random_source drawn = s->chance.draw(purpose::in_vain, s->read + s->written);
    if (drawn.below(4) != 0) return;
    const std::chrono::microseconds after(drawn.between(1, 500));
    host_.world.events.at(
        saturating_add(host_.world.clock.now(), after),
        [&thread = thread_, this, fd = static_cast<int>(op.on->fd), reading = reads(op.kind)] {
            if (thread.demux == this) report_first(fd, reading);
        });
}

void simulated_demultiplexer::cancel_some_time(operation& op) {
    constexpr std::uint64_t longest = 100;
    const auto s = host_.find(op.on->fd);
    keyed_chance& by = s ? s->chance : thread_.chance;
    const bool in_order = has().cancelled == end_of_cancelled::in_order;
    const std::uint64_t takes =
        in_order ? longest : by.draw(purpose::cancelling, s ? s->read + s->written : 0).below(longest);
    cancelling_.push_back({&op, ++cancellations_});
    host_.world.events.at(saturating_add(host_.world.clock.now(), std::chrono::microseconds(takes)),
                          [&thread = thread_, this, number = cancellations_] {
                              if (thread.demux != this) return;
                              const auto at = std::ranges::find(cancelling_, number, &cancellation::number);
                              if (at == cancelling_.end()) return;  // it has ended
                              operation& cancelled = *at->op;
                              if (cancelled.stage != stage_waits) return;  // and is about to
                              host_.world.show(trait::cancelled_later);
                              if (std::any_of(cancelling_.begin(), at, [](const cancellation& c) {
                                      return c.op->stage == stage_waits;
                                  })) {
                                  host_.world.show(trait::cancelled_early);
                              }
                              end_cancelled(cancelled);
                          });
}

void simulated_demultiplexer::forget_cancelling(const operation& op) noexcept {
    if (!op.cancel_asked) return;
    std::erase_if(cancelling_, [&op](const cancellation& c) { return c.op == &op; });
}

// Half of the time, the first completion waits for others.
void simulated_demultiplexer::gather() {
    random_source drawn = thread_.chance.draw(purpose::gathering, thread_.cause);
    if (drawn.below(2) == 0) return;
    gathering_ = true;
    const std::chrono::microseconds takes(drawn.between(1, 300));
    host_.world.events.at(saturating_add(host_.world.clock.now(), takes), [&thread = thread_, this] {
        if (thread.demux != this || !gathering_) return;
        gathering_ = false;
        if (done_.size() > 1) host_.world.show(trait::batch);
    });
}

std::vector<simulated_demultiplexer::completion> simulated_demultiplexer::next_report() {
    std::vector<completion> told = std::exchange(done_, {});
    switch (host_.up ? has().order : order_of_report::any) {
        case order_of_report::any:
            std::sort(told.begin(), told.end(),
                      [](const completion& a, const completion& b) { return a.place < b.place; });
            break;
        case order_of_report::readers_first:
            std::sort(told.begin(), told.end(), [](const completion& a, const completion& b) {
                const bool a_reads = rank_of(a.op->kind) < 2;
                const bool b_reads = rank_of(b.op->kind) < 2;
                return a_reads != b_reads ? a_reads : a.place < b.place;
            });
            break;
        case order_of_report::as_it_came: break;
        case order_of_report::by_descriptor: {
            // What is reported of a descriptor: its end, its reader, its writer.
            for (auto at = told.begin(); at != told.end(); ++at) {
                if (at->slot < 0) continue;
                const auto end = move_to_front(
                    at, told.end(), [slot = at->slot](const completion& c) { return c.slot == slot; });
                sort_stably(at, end, [](const completion& a, const completion& b) {
                    return rank_of(a.op->kind) < rank_of(b.op->kind);
                });
                at = end - 1;
            }
            break;
        }
        case order_of_report::one_descriptor: {
            // A socket's events are told together, and that it was closed is the last of them.
            // The next place after the last one that has something; and what has no descriptor.
            int chosen = -1;
            for (const completion& c : told) {
                if (c.slot < 0) continue;
                const bool behind = c.slot > last_slot_;
                const bool chosen_is_behind = chosen > last_slot_;
                if (chosen < 0 || (behind != chosen_is_behind ? behind : c.slot < chosen)) chosen = c.slot;
            }
            const auto rest = move_to_front(told.begin(), told.end(), [chosen](const completion& c) {
                return c.slot < 0 || c.slot == chosen;
            });
            done_.assign(rest, told.end());
            told.erase(rest, told.end());
            const auto rank = [](const completion& c) {
                return c.op->kind == operation_kind::poll_end ? 2 : c.slot >= 0 && !reads(c.op->kind) ? 1 : 0;
            };
            sort_stably(told.begin(), told.end(),
                        [rank](const completion& a, const completion& b) { return rank(a) < rank(b); });
            if (chosen >= 0) last_slot_ = chosen;
            break;
        }
    }
    const std::size_t most = host_.up ? has().most_reported : 0;
    if (most > 0 && told.size() > most) {
        const auto rest = told.begin() + static_cast<std::ptrdiff_t>(most);
        done_.assign(rest, told.end());
        told.erase(rest, told.end());
    }
    return told;
}

void simulated_demultiplexer::count_what_is_reported(const std::vector<completion>& told) {
    world_state& w = host_.world;
    if (!done_.empty()) w.show(trait::left_for_next_wait);
    for (std::size_t i = 0; i < told.size(); ++i) {
        if (told[i].slot < 0) continue;
        const operation& op = *told[i].op;
        if (op.kind == operation_kind::poll_end) {
            const auto s = op.on->demux == this ? host_.find(op.on->fd) : nullptr;
            if (s && s->end_came && !s->incoming.empty()) w.show(trait::end_before_data);
            continue;
        }
        for (std::size_t k = i + 1; k < told.size(); ++k) {
            const operation& other = *told[k].op;
            if (told[k].slot != told[i].slot || other.kind == operation_kind::poll_end) continue;
            const bool together = k == i + 1 && reads(op.kind) && !reads(other.kind);
            w.show(together ? trait::both_in_one_event : trait::events_apart);
        }
    }
}

}  // namespace bight::sim::detail
