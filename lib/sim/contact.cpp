#include "contact.hpp"

#include "connection.hpp"

#include "../io/socket_headers.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace bight::sim::detail {

namespace {

using namespace std::chrono_literals;

using socket_ptr = std::shared_ptr<socket>;

// The result of Linux's default of tcp_retries2 (15); probes of a closed window time out in the same way.
constexpr duration patience_of_sender = 924s;

// How long it sends in vain.
duration patience_of(const socket& s) noexcept {
    return s.numbers.user_timeout > 0 ? duration(std::chrono::milliseconds(s.numbers.user_timeout))
                                      : patience_of_sender;
}

// How long after its first probe it gives up: after a number of probes, or (tcp_keepalive_timer in Linux)
// with the first one that comes when the user time-out has passed since the peer was heard.
duration patience_of_probes(const socket& s) noexcept {
    const std::chrono::seconds interval(s.numbers.keep_alive_interval);
    if (s.numbers.user_timeout == 0) return s.numbers.keep_alive_count * interval;
    const auto left =
        std::chrono::milliseconds(s.numbers.user_timeout) - std::chrono::seconds(s.numbers.keep_alive_idle);
    const auto probes = left > 0s ? (left + interval - 1ms) / interval : 1;
    return std::max<std::int64_t>(probes, 1) * interval;
}

bool is_open(const world_state& w, const link_state& l) noexcept {
    return !l.cut && w.clock.now() >= l.open_from;
}

// A socket notices nothing while its own host is paused.
bool hears_its_peer(world_state& w, const socket& s) {
    const host_state& here = *s.home;
    const host_state& there = *s.peer->home;
    if (here.stands_still(w.clock.now())) return true;
    if (s.silent || (s.peer->silent && !s.peer->vanished)) return false;
    if (!there.up || there.stands_still(w.clock.now())) return false;
    return &here == &there || (is_open(w, w.link(here, there)) && is_open(w, w.link(there, here)));
}

// The time of its next keep-alive probe, at `from` or later.
time_point next_probe(const socket& s, time_point from) noexcept {
    const std::chrono::seconds until_probe(s.numbers.keep_alive_idle);
    time_point probe = saturating_add(s.last_heard, until_probe);
    while (probe < from) probe = saturating_add(probe, until_probe);
    return probe;
}

struct ending {
    time_point at = time_point::max();
    int error = 0;
};

// When and how the connection ends if nothing changes.
ending end_of_patience(const socket& s, time_point now) noexcept {
    const bool heard = s.unheard_since == time_point::max();
    if (awaits_acknowledgement(s)) {  // keep-alive is suspended meanwhile
        if (heard) return {};
        return {saturating_add(std::max(s.unheard_since, s.waits_since), patience_of(s)), ETIMEDOUT};
    }
    if (!s.keep_alive) return {};
    if (!heard) return {saturating_add(next_probe(s, s.unheard_since), patience_of_probes(s)), ETIMEDOUT};
    if (s.peer->is_gone()) return {next_probe(s, now), ECONNRESET};  // the host answers with a reset
    return {};
}

void lose_patience(world_state& w, const socket_ptr& s) {
    if (s->is != socket::stage::connected || !s->peer) return;
    const ending end = end_of_patience(*s, w.clock.now());
    if (end.at > w.clock.now()) return begin_patience(w, s);
    if (end.error == ETIMEDOUT) {
        w.record("time out", s->home, nullptr, s->link, 0,
                 awaits_acknowledgement(*s) ? "send" : "keep-alive");
    } else {
        w.record("reset", s->peer->home, s->home, s->link, 0, "keep-alive");
    }
    give_up(*s, end.error);
    begin_patience(w, s->peer);
}

// Not at once: this may be called while a packet is being sent.
void send_soon(world_state& w, const socket_ptr& s) {
    w.events.at(w.clock.now(), [&w, s] { pump(w, s); });
}

}  // namespace

bool awaits_acknowledgement(const socket& s) noexcept {
    return s.in_flight > 0 || !s.outgoing.empty() || (s.end_sent && !s.end_acknowledged);
}

void begin_patience(world_state& w, const socket_ptr& s) {
    if (s->is != socket::stage::connected || !s->peer || s->family == AF_UNIX) return;
    const time_point until = end_of_patience(*s, w.clock.now()).at;
    if (until == time_point::max() || s->patience_ends == until) return;
    s->patience_ends = until;
    w.events.at(until, [&w, weak = std::weak_ptr(s), until] {
        const socket_ptr waits = weak.lock();
        if (!waits || waits->patience_ends != until) return;
        waits->patience_ends = time_point::max();
        lose_patience(w, waits);
    });
}

void contact_changed(world_state& w, const socket_ptr& s) {
    const socket_ptr other = s->peer;
    if (s->family == AF_UNIX || !other) return;
    for (const socket_ptr& end : {s, other}) {
        if (end->is != socket::stage::connected || !end->peer) continue;
        const time_point now = w.clock.now();
        if (!hears_its_peer(w, *end)) {
            if (end->unheard_since == time_point::max()) end->unheard_since = now;
        } else if (std::exchange(end->unheard_since, time_point::max()) != time_point::max()) {
            end->last_heard = end->waits_since = now;
            if (!end->outgoing.empty()) send_soon(w, end);
        }
        begin_patience(w, end);
    }
}

void send_again(host_state& from) {
    world_state& w = from.world;
    for (const auto& connection : w.connections) {
        const socket_ptr one = connection.lock();
        for (const socket_ptr& end : {one, one ? one->peer : nullptr}) {
            if (end && end->home == &from) send_soon(w, end);
        }
    }
}

void contact_changed(world_state& w) {
    for (std::size_t i = 0; i < w.connections.size(); ++i) {
        if (const socket_ptr s = w.connections[i].lock()) contact_changed(w, s);
    }
}

void acknowledge(world_state& w, const socket_ptr& sender, std::size_t bytes, bool ended) {
    const auto told = [&w, sender, bytes, ended] {
        sender->in_flight -= std::min(sender->in_flight, bytes);
        sender->end_acknowledged = sender->end_acknowledged || ended;
        sender->last_heard = sender->waits_since = w.clock.now();
        tell_writer(*sender);
        pump(w, sender);
    };
    link_state& back = w.link(*sender->peer->home, *sender->home);
    if (is_open(w, back)) {
        told();
    } else {
        back.held.emplace_back(told);
    }
}

}  // namespace bight::sim::detail
