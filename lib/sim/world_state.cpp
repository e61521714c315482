#include "world_state.hpp"

#include "child_signals.hpp"
#include "connection.hpp"
#include "contact.hpp"
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

sim::personality chosen_by(const keyed_chance& of_world, sim::personality wanted) {
    if (wanted != sim::personality::by_seed) return wanted;
    keyed_chance chooses = of_world.child("the personality");
    return personalities[chooses.draw(purpose::identity).below(personalities.size())];
}

}  // namespace

sim::personality personality_of(std::uint64_t seed, const world_options& options) {
    random_source of_world(seed);
    return chosen_by(keyed_chance(of_world.next()), options.personality);
}

world_state::world_state(std::uint64_t chosen, world_options opts, virtual_clock::mode mode)
    : seed(chosen),
      options(std::move(opts)),
      clock(mode),
      for_tests(chosen),
      chance(for_tests.next()),
      personality(chosen_by(chance, options.personality)),
      amounts(fault_kinds, for_tests.split()) {
    happened.keep_last(options.trace_events);
    if (personality != sim::personality::plain) {
        record("personality", nullptr, nullptr, 0, 0, name_of(personality));
    }
}

world_state::~world_state() {
    for (host_state* h : states) h->crash();
    events.clear();  // nothing that the ending tasks send goes anywhere
    for (host_state* h : states) h->end_former_lives();
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
    const auto ends = std::pair(from.index, to.index);
    if (const auto known = links.find(ends); known != links.end()) return known->second;
    link_state& made = links.try_emplace(ends, chance.child(from.name + " to " + to.name)).first->second;
    made.options = options.link;
    if (&from == &to) made.options = {5us, 50us, 5ms, 0};
    return made;
}

bool world_state::happens(fault f, double scale, host_state& at, keyed_chance& by, std::uint64_t place,
                          std::uint64_t on_link, std::string_view text) {
    const double probability = options.faults.probability(f) * scale;
    if (!at.up || probability <= 0 || limits.leaves_out(f)) return false;
    random_source drawn = by.draw(purpose_of(f), place);
    if (!drawn.chance(probability)) return false;
    const std::uint64_t id = drawn.next();
    if (options.faults.suppressed(id) || limits.suppressed(id)) return false;
    amount(f) = drawn;
    ++fault_counts[static_cast<std::size_t>(f)];
    faults.push_back({id, f});
    record("fault", &at, nullptr, on_link, 0, text);
    return true;
}

bool world_state::happens(fault f, host_thread& at) {
    const host_thread* const before = std::exchange(acting, &at);
    const bool does = happens(f, 1, at.host, at.chance, at.cause, 0, name_of(f));
    acting = before;
    return does;
}

bool world_state::happens(fault f, socket& at, std::uint64_t place) {
    return happens(f, 1, *at.home, at.chance, place, at.link, name_of(f));
}

bool world_state::happens(fault f, host_state& at, keyed_chance& by) {
    return happens(f, 1, at, by, 0, 0, name_of(f));
}

namespace {

trace::host_number number_of(const host_state* h) noexcept {
    return h ? static_cast<trace::host_number>(h->index) : trace::no_host;
}

// The number of the reactor of `from` that has its turn.
std::uint16_t reactor_of(const host_state* from, const host_thread* acting) noexcept {
    return acting && &acting->host == from ? static_cast<std::uint16_t>(acting->number) : std::uint16_t{0};
}

}  // namespace

void world_state::record(std::string_view what, const host_state* from, const host_state* to,
                         std::uint64_t on_link, std::uint64_t bytes, std::string_view text) {
    happened.add({clock.elapsed(),
                  what,
                  {},
                  {},
                  on_link,
                  bytes,
                  text,
                  trace_event::never,
                  trace_event::never,
                  reactor_of(from, acting)},
                 number_of(from), number_of(to));
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

// Delivers a packet that has passed the link. Packets that wait at the host do not go back to the link, where
// later packets may wait by then.
void reach(world_state& w, host_state& from, host_state& to, bool repeated, duration sent,
           const std::function<void()>& arrival) {
    if (!to.up && repeated) {
        to.missed.emplace_back([&w, sent, arrival] {
            w.arriving_since = sent;
            arrival();
        });
    } else if (!to.up || to.stands_still(w.clock.now()) || !to.held.empty()) {
        to.held.push_back({&from, [&w, &from, &to, repeated, sent, arrival] {
                               reach(w, from, to, repeated, sent, arrival);
                           }});
    } else {
        w.arriving_since = sent;
        arrival();
    }
}

// Handles a packet at the end of the link.
void arrive(world_state& w, host_state& from, host_state& to, std::size_t bytes, bool repeated, duration sent,
            const std::function<void()>& arrival) {
    link_state& l = w.link(from, to);
    if (l.cut || w.clock.now() < l.open_from || !l.held.empty()) {  // no packet overtakes waiting ones
        l.held.emplace_back([&w, &from, &to, bytes, repeated, sent, arrival] {
            arrive(w, from, to, bytes, repeated, sent, arrival);
        });
    } else {
        w.pass(l, bytes);
        reach(w, from, to, repeated, sent, arrival);
    }
}

}  // namespace

namespace {

duration time_for(std::size_t bytes, std::uint64_t bytes_per_second) noexcept {
    return std::chrono::nanoseconds(1s) * static_cast<std::int64_t>(bytes) /
           static_cast<std::int64_t>(bytes_per_second);
}

}  // namespace

time_point world_state::arrival_of(host_state& from, host_state& to, const departure& what) {
    const auto suffers = [&](fault f) {
        return happens(f, 1, from, what.chance, what.place, what.link, name_of(f));
    };
    if (&from != &to && suffers(fault::cut)) {
        const std::chrono::microseconds lasts(amount(fault::cut).between(1, 5'000'000));
        cut_for(from, to, lasts);
        if (amount(fault::cut).chance(0.5)) cut_for(to, from, lasts);
    }
    link_state& l = link(from, to);
    if (&from != &to && suffers(fault::narrow_link)) {
        random_source& narrow = amount(fault::narrow_link);
        l.narrow_rate = narrow.between(100, 10'000);
        l.narrow_until = saturating_add(clock.now(), std::chrono::microseconds(narrow.between(1, 5'000'000)));
    }
    random_source usual = what.chance.draw(purpose::latency, what.place);
    const auto in_range = [](random_source& drawn, duration low, duration high) {
        return duration(static_cast<duration::rep>(drawn.between(static_cast<std::uint64_t>(low.count()),
                                                                 static_cast<std::uint64_t>(high.count()))));
    };
    const duration latency = suffers(fault::slow_packet)
                                 ? in_range(amount(fault::slow_packet), l.options.most, l.options.tail)
                                 : in_range(usual, l.options.least, l.options.most);
    time_point sent = clock.now();
    if (l.options.bytes_per_second > 0) {
        sent = std::max(sent, l.busy_until) + time_for(what.bytes, l.options.bytes_per_second);
        l.busy_until = sent;
    }
    return saturating_add(sent, latency);
}

time_point world_state::send(host_state& from, host_state& to, const departure& what,
                             std::function<void()> arrival) {
    if (!from.up) return what.earliest;
    const time_point arrives = std::max(arrival_of(from, to, what), what.earliest);
    events.at(arrives,
              [this, &from, &to, bytes = what.bytes, repeated = what.repeated, since = clock.elapsed(),
               arrival = std::move(arrival)] { arrive(*this, from, to, bytes, repeated, since, arrival); });
    return arrives;
}

void world_state::send_datagram(host_state& from, host_state& to, std::size_t bytes,
                                const std::function<void()>& arrival) {
    if (!from.up) return;
    keyed_chance& by = link(from, to).chance;
    if (happens(fault::lost_datagram, from, by)) {
        record("lose", &from, &to, 0, bytes, "a datagram");
        return;
    }
    const int copies = happens(fault::repeated_datagram, from, by) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        time_point arrives = arrival_of(from, to, {by, 0, 0, bytes, {}});
        if (happens(fault::late_datagram, from, by)) {
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
            if (to.stands_still(clock.now())) {  // its network buffers some packets
                to.held.push_back({nullptr, arrival});
                return;
            }
            arriving_since = since;
            arrival();
        });
    }
}

void world_state::send_again_to(host_state& booted) {
    std::map<link_state*, std::ptrdiff_t> put_back;  // so many each
    for (waiting_packet& packet : std::exchange(booted.held, {})) {
        link_state& l = link(*packet.from, booted);
        if (l.cut || clock.now() < l.open_from) {
            l.held.insert(l.held.begin() + put_back[&l]++, std::move(packet.arrival));
        } else {
            booted.held.push_back(std::move(packet));
        }
    }
}

void world_state::open_at(link_state& l, time_point when) {
    l.open_from = when;
    events.at(when, [this, &l] {
        if (l.cut || clock.now() < l.open_from) return;
        for (const auto& packet : std::exchange(l.held, {})) packet();
        contact_changed(*this);
    });
}

void world_state::cut_for(host_state& from, host_state& to, duration d) {
    link_state& l = link(from, to);
    open_at(l, std::max(l.open_from, saturating_add(clock.now(), d)));
    record_span("cut", &from, &to, l.open_from);
    contact_changed(*this);
}

// The packet has arrived at the usual speed, and later packets wait at the end of the link, so nothing waits
// any more when the link is mended.
void world_state::pass(link_state& l, std::size_t bytes) {
    if (bytes == 0 || clock.now() >= l.narrow_until) return;
    open_at(l, std::min(l.narrow_until, saturating_add(clock.now(), time_for(bytes, l.narrow_rate))));
}

void world_state::mend(link_state& l) {
    l.narrow_until = {};
    const time_point soon = saturating_add(clock.now(), l.options.least);
    if (!l.cut && l.open_from <= soon) return;
    l.cut = false;
    open_at(l, soon);
}

time_point world_state::next_event() const noexcept { return events.next(); }

// No host causes these events now.
void world_state::deliver_due() {
    const host_thread* const in_turn = std::exchange(acting, nullptr);
    while (events.next() <= clock.now()) events.take()();
    acting = in_turn;
}

namespace {

void give_turn(host_thread& to) {
    const turn_of turn(to);
    to.runs->run_once(duration::zero());
    if (to.process) to.host.processes.after_turn(*to.process);
}

}  // namespace

bool world_state::turn() {
    std::uint64_t lowest = 0;
    host_thread* reactor = nullptr;
    plain_thread* plain = nullptr;
    const auto comes_first = [&](auto& candidate) {
        const std::uint64_t place = candidate.place_in_order();
        if ((reactor || plain) && place >= lowest) return false;
        lowest = place;
        return true;
    };
    for (host_state* h : states) {
        if (!h->up) continue;
        for (host_thread* t : h->awake) {
            t->notice_calls();
            if (t->can_run() && comes_first(*t)) {
                reactor = t;
                plain = nullptr;
            }
        }
        for (const auto& t : h->plain_threads) {
            if (t->can_run() && comes_first(*t)) {
                plain = t.get();
                reactor = nullptr;
            }
        }
    }
    for (host_state* h : states) h->processes.sweep();
    if (plain) {
        plain->run();
    } else if (reactor) {
        turn_of_reactor(*reactor);
    }
    return plain || reactor;
}

void world_state::turn_of_reactor(host_thread& chosen) {
    chosen.begin_turn();
    host_state& on = chosen.host;
    if (!on.at_boot.empty() && happens(fault::crash, chosen)) {
        on.lose_power_for(std::chrono::microseconds(amount(fault::crash).between(1, 10'000'000)));
        return;
    }
    if (chosen.process && happens(fault::killed_child, chosen)) {
        (void)on.processes.signal(*chosen.process, kill_signal);
        return;
    }
    if (happens(fault::pause, chosen)) {
        chosen.turn_is_put_off = true;
        on.pause(std::chrono::microseconds(amount(fault::pause).between(1, 2'000'000)));
        return;
    }
    if (happens(fault::wall_jump, chosen)) {
        on.wall_offset += std::chrono::seconds(amount(fault::wall_jump).between(0, 7200)) - 1h;
    }
    if (happens(fault::slow_turn, chosen)) {
        const std::chrono::microseconds takes(amount(fault::slow_turn).between(1, 1000));
        chosen.busy_until = saturating_add(clock.now(), takes);
    }
    give_turn(chosen);
    chosen.waits_anew = true;
}

void world_state::interrupt_wait(host_thread& waits) {
    if (!happens(fault::interrupted_wait, waits)) return;
    const std::chrono::microseconds after(amount(fault::interrupted_wait).between(1, 1000));
    events.at(saturating_add(clock.now(), after),
              [this, &waits, boots = waits.host.boots] { interrupted.emplace_back(&waits, boots); });
}

// Not within deliver_due, which turns also call: turns must not nest.
void world_state::give_interrupted_turns() {
    while (!interrupted.empty()) {
        for (const auto& [waits, boots] : std::exchange(interrupted, {})) {
            if (!waits->host.up || waits->host.boots != boots || !waits->reactor()) continue;
            if (!waits->has_work() && clock.now() >= waits->next_turn()) give_turn(*waits);
        }
    }
}

bool world_state::advance(time_point limit) {
    for (host_state* h : states) {
        if (!h->up) continue;
        for (host_thread* t : h->awake) {
            if (std::exchange(t->waits_anew, false)) interrupt_wait(*t);
        }
    }
    time_point next = events.next();
    for (host_state* h : states) {
        if (!h->up) continue;
        for (const host_thread* t : h->awake) next = std::min(next, std::max(t->next_work(), t->next_turn()));
    }
    if (next == time_point::max()) return false;
    clock.advance_to(std::min(next, limit));
    deliver_due();
    give_interrupted_turns();
    return true;
}

bool world_state::deliver_now() {
    if (events.next() > clock.now()) return false;
    deliver_due();
    give_interrupted_turns();
    return true;
}

bool world_state::step() { return turn() || deliver_now() || advance(time_point::max()); }

bool world_state::has_clients() const noexcept {
    return std::any_of(states.begin(), states.end(), [](const host_state* h) { return h->running > 0; });
}

// Whether the programs have ended, and their connections have sent everything.
bool world_state::finished() noexcept {
    using bight::detail::reactor_state;
    if (has_clients()) return false;
    bool waits = false;
    for (const host_state* h : states) {
        if (!h->up) continue;
        for (const host_thread* t : h->awake) waits = reactor_state::winds_up(*t->runs) || waits;
    }
    if (waits) return false;
    for (const host_state* h : states) {
        for (const host_thread* t : h->awake) reactor_state::end_winding_up(*t->runs);
    }
    return true;
}

std::string world_state::forgotten() const {
    const auto has_program = [](const host_state* h) { return !h->at_boot.empty() || !h->once.empty(); };
    const auto first = std::ranges::find_if(states, has_program);
    if (has_run || first == states.end()) return {};
    return "a simulated world was never run, so the programs of its hosts (of \"" + (*first)->name +
           "\", say) did nothing: call world::run or world::run_for";
}

bool world_state::run_until(time_point limit, bool whole_time) {
    has_run = true;
    turns_at_once = 0;
    bool until_finished = !whole_time;
    for (;;) {
        until_finished = until_finished || has_clients();
        if (until_finished && finished()) break;
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
        if (turn()) {
            if (++turns_at_once > most_turns_at_once) {
                throw stuck(std::to_string(most_turns_at_once) +
                            " turns without time passing or anything being received: a task never stops "
                            "yielding\n" +
                            dump_tasks());
            }
            continue;
        }
        if (deliver_now()) continue;
        turns_at_once = 0;
        if (clock.now() >= limit) return !until_finished;
        if (advance(limit)) continue;
        if (!whole_time) throw deadlock(dump_tasks());
        clock.advance_to(limit);
    }
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    return true;
}

std::string world_state::dump_tasks() const {
    std::string text;
    for (const host_state* h : states) {
        text += "host " + h->name + (h->up ? ":\n" : ": down\n");
        if (!h->waiting.empty()) {
            text +=
                "  " + std::to_string(h->waiting.size()) + " given to run() when it was down, not begun\n";
        }
        for (const host_thread* t : h->awake) {
            if (t->number > 0) text += "host " + t->description() + ":\n";
            text += t->runs->dump_tasks();
        }
        for (const auto& t : h->plain_threads) text += t->dump();
    }
    return text;
}

}  // namespace bight::sim::detail
