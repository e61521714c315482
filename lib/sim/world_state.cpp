#include "world_state.hpp"

#include "connection.hpp"
#include "guard.hpp"
#include "simulated_demultiplexer.hpp"

#include "../core/reactor_state.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace bight::sim::detail {

using namespace std::chrono_literals;

namespace {

// One for each kind of fault.
std::vector<random_source> sources_of(random_source from) {
    std::vector<random_source> sources;
    for (std::size_t i = 0; i < fault_kinds; ++i) sources.push_back(from.split());
    return sources;
}

}  // namespace

world_state::world_state(std::uint64_t chosen, world_options opts, virtual_clock::mode mode)
    : seed(chosen),
      options(std::move(opts)),
      clock(mode),
      for_tests(chosen),
      for_network(for_tests.split()),
      chances(sources_of(for_tests.split())),
      amounts(chances),
      for_order(for_tests.split()),
      for_programs(for_tests.split()) {
    happened.keep_last(options.trace_events);
}

world_state::~world_state() {
    for (host_state* h : states) h->crash();
    events.clear();
    for (const auto& connection : connections) {
        if (const auto s = connection.lock()) {
            if (s->peer) s->peer->peer.reset();
            s->peer.reset();
        }
    }
}

host_state* world_state::find_host(const std::string& ip) const noexcept {
    for (host_state* h : states) {
        if (h->ip == ip) return h;
    }
    return nullptr;
}

link_state& world_state::link(const host_state& from, const host_state& to) {
    const auto [at, made] = links.try_emplace(std::pair(from.index, to.index));
    if (made) {
        at->second.options = options.link;
        if (&from == &to) at->second.options = {5us, 50us, 5ms, 0};
    }
    return at->second;
}

bool world_state::happens(fault f, double scale, const host_state& at, std::uint64_t on_link,
                          std::string_view text) {
    if (faults_are_over || at.dying) return false;
    // Neither a kind that is off nor a fault that is suppressed changes what is drawn for the others.
    random_source& chances_here = chances[static_cast<std::size_t>(f)];
    if (!chances_here.chance(options.faults.probability(f) * scale)) return false;
    amounts[static_cast<std::size_t>(f)] = chances_here.split();
    const std::uint64_t number = fault_number++;
    if (options.faults.suppressed(number)) return false;
    ++fault_counts[static_cast<std::size_t>(f)];
    record("fault", &at, nullptr, on_link, 0, text);
    return true;
}

bool world_state::happens(fault f, const host_state& at, std::uint64_t on_link) {
    return happens(f, 1, at, on_link, name_of(f));
}

namespace {

trace::host_number number_of(const host_state* h) noexcept {
    return h ? static_cast<trace::host_number>(h->index) : trace::no_host;
}

}  // namespace

void world_state::record(std::string_view what, const host_state* from, const host_state* to,
                         std::uint64_t on_link, std::uint64_t bytes, std::string_view text) {
    happened.add({clock.elapsed(), what, {}, {}, on_link, bytes, text}, number_of(from), number_of(to));
}

void world_state::record_arrival(std::string_view what, const host_state* from, const host_state* to,
                                 std::uint64_t on_link, std::uint64_t bytes, std::string_view text) {
    happened.add({clock.elapsed(), what, {}, {}, on_link, bytes, text, arriving_since}, number_of(from),
                 number_of(to));
}

void world_state::record_span(std::string_view what, const host_state* from, const host_state* to,
                              time_point until) {
    const duration over = clock.elapsed() + (until - clock.now());
    happened.add({clock.elapsed(), what, {}, {}, 0, 0, {}, trace_event::never, over}, number_of(from),
                 number_of(to));
}

namespace {

// A packet at the end of its way.
void arrive(world_state& w, host_state& from, host_state& to, duration sent,
            const std::function<void()>& arrival) {
    link_state& l = w.link(from, to);
    const auto again = [&w, &from, &to, sent, arrival] { arrive(w, from, to, sent, arrival); };
    if (l.cut || w.clock.now() < l.open_from || !l.held.empty()) {  // none overtakes what waits
        l.held.emplace_back(again);
    } else if (!to.up) {
        to.held.emplace_back(again);
    } else {
        w.arriving_since = sent;
        arrival();
    }
}

}  // namespace

time_point world_state::arrival_of(host_state& from, host_state& to, std::uint64_t on_link,
                                   std::size_t bytes) {
    if (&from != &to && happens(fault::cut, from)) {
        const std::chrono::microseconds lasts(amount(fault::cut).between(1, 5'000'000));
        cut_for(from, to, lasts);
        if (amount(fault::cut).chance(0.5)) cut_for(to, from, lasts);
    }
    link_state& l = link(from, to);
    const auto in_range = [this](duration low, duration high) {
        return duration(static_cast<duration::rep>(for_network.between(
            static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count()))));
    };
    const bool slow = happens(fault::slow_packet, from, on_link);
    const duration latency =
        slow ? in_range(l.options.most, l.options.tail) : in_range(l.options.least, l.options.most);
    time_point sent = clock.now();
    if (l.options.bytes_per_second > 0) {
        sent = std::max(sent, l.busy_until) +
               duration(std::chrono::nanoseconds(1s) * static_cast<std::int64_t>(bytes) /
                        static_cast<std::int64_t>(l.options.bytes_per_second));
        l.busy_until = sent;
    }
    return saturating_add(sent, latency);
}

time_point world_state::send(host_state& from, host_state& to, std::uint64_t on_link, std::size_t bytes,
                             time_point earliest, std::function<void()> arrival) {
    if (!from.up || from.dying) return earliest;
    const time_point arrives = std::max(arrival_of(from, to, on_link, bytes), earliest);
    events.at(arrives, [this, &from, &to, since = clock.elapsed(), arrival = std::move(arrival)] {
        arrive(*this, from, to, since, arrival);
    });
    return arrives;
}

void world_state::send_datagram(host_state& from, host_state& to, std::size_t bytes,
                                const std::function<void()>& arrival) {
    if (!from.up || from.dying) return;
    if (happens(fault::lost_datagram, from)) {
        record("lose", &from, &to, 0, bytes, "a datagram");
        return;
    }
    const int copies = happens(fault::repeated_datagram, from) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        time_point arrives = arrival_of(from, to, 0, bytes);
        if (happens(fault::late_datagram, from)) {
            const std::chrono::microseconds late(amount(fault::late_datagram).between(1, 1'000'000));
            arrives = saturating_add(arrives, late);
        }
        events.at(arrives, [this, &from, &to, bytes, since = clock.elapsed(), arrival] {
            const link_state& l = link(from, to);
            if (l.cut || clock.now() < l.open_from || !to.up) {
                record("lose", &from, &to, 0, bytes,
                       to.up ? "a datagram, at a cut" : "a datagram, at a host that is down");
                return;
            }
            arriving_since = since;
            arrival();
        });
    }
}

void world_state::open_at(link_state& l, time_point when) {
    l.open_from = when;
    events.at(when, [this, &l] {
        if (l.cut || clock.now() < l.open_from) return;
        for (const auto& packet : std::exchange(l.held, {})) packet();
    });
}

void world_state::cut_for(host_state& from, host_state& to, duration d) {
    link_state& l = link(from, to);
    open_at(l, std::max(l.open_from, saturating_add(clock.now(), d)));
    record_span("cut", &from, &to, l.open_from);
}

void world_state::mend(link_state& l) {
    const time_point soon = saturating_add(clock.now(), l.options.least);
    if (!l.cut && l.open_from <= soon) return;
    l.cut = false;
    open_at(l, soon);
}

time_point world_state::next_event() const noexcept { return events.next(); }

void world_state::deliver_due() {
    while (events.next() <= clock.now()) events.take()();
}

bool world_state::turn() {
    std::vector<host_state*> able;
    for (host_state* h : states) {
        if (h->can_run()) able.push_back(h);
    }
    if (able.empty()) return false;
    host_state& chosen = *able[for_order.below(able.size())];
    if (!chosen.at_boot.empty() && happens(fault::crash, chosen)) {
        chosen.lose_power_for(std::chrono::microseconds(amount(fault::crash).between(1, 10'000'000)));
        return true;
    }
    if (happens(fault::pause, chosen)) {
        chosen.handle->pause(duration(std::chrono::microseconds(amount(fault::pause).between(1, 2'000'000))));
        return true;
    }
    if (happens(fault::wall_jump, chosen)) {
        chosen.wall_offset += std::chrono::seconds(amount(fault::wall_jump).between(0, 7200)) - 1h;
    }
    if (happens(fault::slow_turn, chosen)) {
        const std::chrono::microseconds takes(amount(fault::slow_turn).between(1, 1000));
        chosen.paused_until = saturating_add(clock.now(), takes);
    }
    const turn_of turn(chosen);
    chosen.runs->run_once(duration::zero());
    return true;
}

void world_state::interrupt_waits() {
    for (host_state* h : states) {
        if (!h->up || !h->runs || clock.now() < h->paused_until || !happens(fault::interrupted_wait, *h))
            continue;
        const turn_of turn(*h);
        h->runs->run_once(duration::zero());
    }
}

bool world_state::advance(time_point limit) {
    interrupt_waits();
    time_point next = events.next();
    for (const host_state* h : states) {
        if (!h->up || !h->runs) continue;
        const time_point wants = h->has_work() ? clock.now() : h->runs->next_deadline();
        next = std::min(next, std::max(wants, h->paused_until));
    }
    if (next == time_point::max()) return false;
    clock.advance_to(std::min(next, limit));
    deliver_due();
    return true;
}

// The programs have ended, and what their connections still had to say is said.
bool world_state::finished() noexcept {
    using bight::detail::reactor_state;
    const bool ended =
        std::all_of(states.begin(), states.end(), [](const host_state* h) { return h->running == 0; });
    if (!ended) return false;
    bool waits = false;
    for (host_state* h : states) {
        if (h->up && h->runs && reactor_state::winds_up(*h->runs)) waits = true;
    }
    if (waits) return false;
    for (host_state* h : states) {
        if (h->runs) reactor_state::end_winding_up(*h->runs);
    }
    return true;
}

bool world_state::run_until(time_point limit, bool waits_for_more) {
    // So many turns without time passing are no progress.
    constexpr std::uint64_t most_turns_at_once = 1'000'000;
    std::uint64_t turns = 0;
    while (!finished()) {
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
        if (turn()) {
            if (++turns > most_turns_at_once) {
                throw stuck("a million turns without time passing: a task never stops yielding\n" +
                            dump_tasks());
            }
            continue;
        }
        if (events.next() <= clock.now()) {
            deliver_due();
            continue;
        }
        turns = 0;
        if (clock.now() >= limit) return false;
        if (advance(limit)) continue;
        if (!waits_for_more) throw deadlock(dump_tasks());
        clock.advance_to(limit);
    }
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    return true;
}

std::string world_state::dump_tasks() const {
    std::string text;
    for (const host_state* h : states) {
        text += "host " + h->name + (h->up ? ":\n" : ": down\n");
        if (h->runs) text += h->runs->dump_tasks();
    }
    return text;
}

}  // namespace bight::sim::detail
