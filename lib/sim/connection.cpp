#include "connection.hpp"

#include "contact.hpp"
#include "datagrams.hpp"
#include "messages.hpp"
#include "pipes.hpp"
#include "simulated_demultiplexer.hpp"

#include "../io/socket_headers.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bight::sim::detail {

namespace {

using namespace std::chrono_literals;

// The part of the bytes that a trace shows.
std::string_view beginning(std::string_view bytes) noexcept { return bytes.substr(0, 32); }

constexpr std::size_t largest_segment = 1460;
// Linux's default of tcp_syn_retries: 127 s.
constexpr unsigned most_attempts = 7;
// The place, for keyed_chance, of packets before the first byte of a stream.
constexpr std::uint64_t before_the_stream = ~std::uint64_t{0};

using socket_ptr = std::shared_ptr<socket>;

// Whether a socket that listens accepts connections to `to`.
bool hears(const socket& listener, const address& to) {
    const address& listening = listener.local;
    if (listening.port() != to.port()) return false;
    const std::string host = listening.host();
    if (listening.family() != to.family()) {
        return !listener.only_ipv6 && host == "::" && to.family() == address::family_type::ipv4;
    }
    return host == "0.0.0.0" || host == "::" || host == to.host();
}

// When several listeners match, `by` decides which one gets the connection.
socket_ptr find_listener(host_state& at, const address& to, keyed_chance& by) {
    if (to.family() == address::family_type::unix_domain) {
        const auto file = at.files.find(to.path());
        socket_ptr s = file == at.files.end() ? nullptr : file->second.lock();
        return s && s->is == socket::stage::listening ? s : nullptr;
    }
    std::vector<socket_ptr> listeners;
    for (const auto& [fd, s] : at.open) {
        if (s->is == socket::stage::listening && hears(*s, to)) listeners.push_back(s);
    }
    if (listeners.empty()) return nullptr;
    return listeners[by.draw(purpose::listener).below(listeners.size())];
}

host_state* host_at(world_state& w, host_state& from, const address& to) {
    if (to.family() == address::family_type::unix_domain) return &from;
    const std::string ip = to.host();
    if (ip.starts_with("127.") || ip == "::1" || ip == "0.0.0.0" || ip == "::") return &from;
    return w.find_host(ip);
}

void fail(socket& s, int error) {
    s.is = socket::stage::closed;
    s.error = error;
    s.outgoing.clear();
    s.in_flight = 0;
    // A kernel wakes the reader and the writer, and tells the error to the one that comes first.
    const bool both = s.watched && s.watched->reading && s.watched->writing;
    const bool writer_first = both && s.chance.draw(purpose::error).below(2) == 0;
    if (writer_first) tell_writer(s);
    tell_reader(s);
    if (!writer_first) tell_writer(s);
}

// Draws the sizes of the buffers, which differ between connections as in reality.
void size_buffers(socket& s) {
    random_source drawn = s.chance.draw(purpose::buffers);
    s.send_buffer = static_cast<std::size_t>(drawn.between(4, 256)) * 1024;
    s.window = static_cast<std::size_t>(drawn.between(2, 128)) * 1024;
    if (s.numbers.send_buffer > 0) s.send_buffer = static_cast<std::size_t>(s.numbers.send_buffer);
    if (s.numbers.receive_buffer > 0) s.window = static_cast<std::size_t>(s.numbers.receive_buffer);
}

void join(world_state& w, const socket_ptr& a, const socket_ptr& b) {
    if (w.connections.size() >= w.connections_looked_at) {  // expired entries are removed now and then
        std::erase_if(w.connections, [](const std::weak_ptr<socket>& c) { return c.expired(); });
        w.connections_looked_at = 2 * w.connections.size() + 64;
    }
    w.connections.push_back(a);
    a->link = b->link = ++w.last_link;
    a->peer = b;
    b->peer = a;
    size_buffers(*a);
    size_buffers(*b);
    a->last_heard = b->last_heard = w.clock.now();
    contact_changed(w, a);
}

// Makes the accepting end for the connection that `s` requests. A socket for both families shows an IPv4
// address as one of IPv6 (RFC 4291, 2.5.5.2).
socket_ptr end_at(host_state& at, const socket& s, const socket& listener) {
    auto made = std::make_shared<socket>(at, listener.family, s.chance.child("the end that accepts"));
    made->is = socket::stage::connected;
    made->numbers = listener.numbers;
    made->keep_alive = listener.keep_alive;
    const auto shown = [&](const address& a) {
        const bool mapped = listener.family == AF_INET6 && a.family() == address::family_type::ipv4;
        return mapped ? address::from_ip("::ffff:" + a.host(), a.port()) : a;
    };
    made->remote = shown(s.local);
    made->local = shown(s.remote);
    return made;
}

// The address of a Unix socket that was never bound.
address unnamed() noexcept {
    const decltype(sockaddr::sa_family) family = AF_UNIX;
    return address::from_native(&family, sizeof family);
}

// Whether the address is a multicast or broadcast address, to which no connection is possible.
bool is_group(const address& to) noexcept {
    if (to.family() != address::family_type::ipv4) return false;
    const std::uint32_t ip = ntohl(static_cast<const sockaddr_in*>(to.native())->sin_addr.s_addr);
    return IN_MULTICAST(ip) || ip == INADDR_BROADCAST;
}

bool is_unix(const socket& s) noexcept { return s.family == AF_UNIX; }

// The usable size of a buffer in the direction from this socket, which may be narrowed.
std::size_t held_at_most(const socket& s, std::size_t size) noexcept {
    return s.narrowed > 0 ? std::min(size, s.narrowed) : size;
}

// Whether the backlog is full: it holds one connection more than was asked for, as in Linux.
bool is_full(const socket& listener) noexcept { return listener.backlog.size() > listener.backlog_limit; }

// An ephemeral port; 0 when all are in use.
std::uint16_t free_port(host_state& h) {
    for (int tried = 0; tried < 32768; ++tried) {
        const std::uint16_t port = h.next_ephemeral_port();
        const bool taken = std::any_of(h.open.begin(), h.open.end(), [port](const auto& entry) {
            return entry.second->local.port() == port;
        });
        if (!taken) return port;
    }
    return 0;
}

void attempt_connection(world_state& w, const socket_ptr& s, host_state& to);

// The answer to an attempt has come back.
void answered(world_state& w, const socket_ptr& s, host_state& by, int error) {
    if (s->is != socket::stage::connecting) return;
    if (error != 0) {
        w.record_arrival("refused", &by, s->home, 0, 0, s->remote.to_string());
        fail(*s, error);
        return;
    }
    s->is = socket::stage::connected;
    w.record_arrival("connected", &by, s->home, s->link);
    tell_writer(*s);
    pump(w, s);
    contact_changed(w, s);
}

void attempt_arrives(world_state& w, const socket_ptr& s, host_state& at) {
    if (s->is != socket::stage::connecting || s->peer) return;
    const socket_ptr listener = find_listener(at, s->remote, s->chance);
    if (!listener && s->home == &at && s->local == s->remote) {
        // It connects to itself, as in TCP (RFC 9293, 3.5: simultaneous open).
        join(w, s, s);
        w.record_arrival("connect", &at, &at, s->link, 0, s->remote.to_string());
        s->last_arrival = w.send(at, at, {s->chance, before_the_stream, s->link, 0, {}},
                                 [&w, s, &at] { answered(w, s, at, 0); });
        return;
    }
    if (!listener || w.happens(fault::refused_connect, at, s->chance)) {
        w.record_arrival("refuse", s->home, &at, 0, 0, s->remote.to_string());
        w.send(at, *s->home, {s->chance, before_the_stream, 0, 0, {}},
               [&w, s, &at] { answered(w, s, at, ECONNREFUSED); });
        return;
    }
    if (is_full(*listener)) {  // it will be tried again
        w.record_arrival("drop", s->home, &at, 0, 0, "the backlog is full");
        return;
    }
    const socket_ptr accepted = end_at(at, *s, *listener);
    join(w, accepted, s);
    w.record_arrival("connect", s->home, &at, s->link, 0, s->remote.to_string());
    listener->backlog.push_back(accepted);
    tell_reader(*listener);
    accepted->last_arrival = w.send(at, *s->home, {accepted->chance, before_the_stream, s->link, 0, {}},
                                    [&w, s, &at] { answered(w, s, at, 0); });
}

void attempt_connection(world_state& w, const socket_ptr& s, host_state& to) {
    if (s->is != socket::stage::connecting) return;
    if (s->home->stands_still(w.clock.now())) {
        w.events.at(s->home->paused_until, [&w, s, &to] { attempt_connection(w, s, to); });
        return;
    }
    if (s->attempts == most_attempts) {
        w.record("time out", s->home, &to, s->link, 0, "connect");
        reset(w, s, ETIMEDOUT);
        return;
    }
    const duration until_the_next = std::chrono::seconds(1) * (1 << s->attempts);
    ++s->attempts;
    if (!s->peer && !w.happens(fault::lost_connect, *s, 0)) {
        w.send(*s->home, to, {s->chance, before_the_stream, 0, 0, {}, true},
               [&w, s, &to] { attempt_arrives(w, s, to); });
    }
    w.events.at(saturating_add(w.clock.now(), until_the_next),
                [&w, s, &to] { attempt_connection(w, s, to); });
}

// The effect of a reset depends on the state in which it is received (tcp_reset in Linux): after the end from
// the other side it is an EPIPE for the writer, and after both ends it has no effect.
void reset_arrives(world_state& w, const socket_ptr& from, const socket_ptr& to) {
    if (to->is != socket::stage::connected) return;
    w.record_arrival("reset", from->home, to->home, to->link);
    fail(*to, !to->end_came ? ECONNRESET : !to->end_sent ? EPIPE : 0);
}

// Nobody reads the sender's bytes any more: it gets a reset, and what `to` still had to send is lost. The
// reset does not overtake what was sent before.
void refuse_segment(world_state& w, const socket_ptr& sender, const socket_ptr& to) {
    if (to->is == socket::stage::connected) fail(*to, 0);
    to->last_arrival = w.send(*to->home, *sender->home, {to->chance, to->sent, to->link, 0, to->last_arrival},
                              [&w, sender, to] { reset_arrives(w, to, sender); });
}

void segment_arrives(world_state& w, const socket_ptr& sender, const socket_ptr& to,
                     const std::string& bytes) {
    if (sender->gave_up) return;
    if (to->is != socket::stage::connected || to->reads_ended) {
        w.record_arrival("drop", sender->home, to->home, sender->link, bytes.size(), "nobody reads it");
        if (sender->is == socket::stage::connected) refuse_segment(w, sender, to);
        return;
    }
    w.record_arrival("arrive", sender->home, to->home, to->link, bytes.size(), beginning(bytes));
    to->incoming += bytes;
    to->last_heard = w.clock.now();
    const std::uint64_t place = to->read + to->incoming.size();
    if (w.happens(fault::reset, *to, place)) {
        fail(*to, ECONNRESET);
        w.send(*to->home, *sender->home, {to->chance, to->sent, to->link, 0, to->last_arrival},
               [&w, to, sender] { reset_arrives(w, to, sender); });
        return;
    }
    tell_reader(*to);
    acknowledge(w, sender, bytes.size(), false);
}

void end_arrives(world_state& w, const socket_ptr& sender, const socket_ptr& to) {
    if (sender->gave_up) return;
    if (to->is_gone() && sender->is == socket::stage::connected) refuse_segment(w, sender, to);
    if (to->is != socket::stage::connected || to->end_came) return;
    w.record_arrival("end", sender->home, to->home, to->link);
    to->end_came = true;
    to->last_heard = w.clock.now();
    tell_reader(*to);
    acknowledge(w, sender, 0, true);
}

// The two ends of a connection keep each other alive; releases them when both are closed.
void separate(const socket_ptr& s) {
    const socket_ptr other = s->peer;
    if (!other || s->is != socket::stage::closed || other->is != socket::stage::closed) return;
    if (s->fd >= 0 || other->fd >= 0) return;
    s->peer.reset();
    other->peer.reset();
}

// Releases a closed socket when all its bytes have been sent.
void part_if_done(const socket_ptr& s) {
    if (s->fd < 0 && s->reads_ended && s->end_sent && s->is == socket::stage::connected) {
        s->is = socket::stage::closed;
    }
}

}  // namespace

void give_up(socket& s, int error) {
    s.gave_up = true;
    fail(s, error);
}

void tell_reader(socket& s) {
    if (s.watched) s.watcher->changed(*s.watched, true);
}

void tell_writer(socket& s) {
    if (s.watched) s.watcher->changed(*s.watched, false);
}

int begin_connect(world_state& w, const socket_ptr& s, const address& to, host_thread& by) {
    host_state& from = *s->home;
    if (!from.up) return -ENETDOWN;
    // Connecting to the "any" address means this host itself.
    s->chance = by.chance_of("connect " + to.to_string()).child();
    s->remote = to.host() == "0.0.0.0" ? address::from_ip("127.0.0.1", to.port())
                : to.host() == "::"    ? address::from_ip("::1", to.port())
                                       : to;
    host_state* const there = host_at(w, from, to);
    if (to.family() == address::family_type::unix_domain) {
        const socket_ptr listener = find_listener(from, to, s->chance);
        if (!listener) {
            const bool there_is_a_file = to.path().starts_with('@') || from.files.contains(to.path());
            return there_is_a_file ? -ECONNREFUSED : -ENOENT;
        }
        if (is_full(*listener)) return -EAGAIN;
        s->is = socket::stage::connected;
        s->local = unnamed();
        const socket_ptr accepted = end_at(from, *s, *listener);
        accepted->local = to;
        join(w, accepted, s);
        w.record("connect", &from, &from, s->link, 0, to.to_string());
        listener->backlog.push_back(accepted);
        tell_reader(*listener);
        return 0;
    }
    const bool here = there == &from;
    const bool lost = to.family() == address::family_type::ipv6 && !here;
    if (lost && !w.options.ipv6_black_hole) return -ENETUNREACH;
    if (is_group(to)) return -ENETUNREACH;
    const std::string bound = s->local ? s->local.host() : std::string();
    const bool any = bound.empty() || bound == "0.0.0.0" || bound == "::";
    if (any || s->local.port() == 0) {
        // Any address of the loopback network is reached from its first address.
        const std::string wanted = s->remote.host();
        const std::string ip = !any                         ? bound
                               : wanted.starts_with("127.") ? "127.0.0.1"
                               : here                       ? wanted
                               : lost                       ? "2001:db8::" + std::to_string(from.index + 1)
                                                            : from.ip;
        const std::uint16_t port = s->local && s->local.port() != 0 ? s->local.port() : free_port(from);
        if (port == 0) return -EADDRNOTAVAIL;
        s->local = address::from_ip(ip, port);
    }
    s->is = socket::stage::connecting;
    s->attempts = 0;
    if (there) {
        attempt_connection(w, s, *there);
    } else {  // nobody has this address
        const duration long_enough = std::chrono::seconds((1 << most_attempts) - 1);
        w.events.at(saturating_add(w.clock.now(), long_enough), [&w, s] {
            if (s->is != socket::stage::connecting) return;
            w.record("time out", s->home, nullptr, 0, 0, "connect");
            fail(*s, ETIMEDOUT);
        });
    }
    return 1;
}

std::size_t room(const socket& s) noexcept {
    const std::size_t used =
        is_unix(s) ? (s.peer ? s.peer->incoming.size() : 0) : s.outgoing.size() + s.in_flight;
    const std::size_t buffer = held_at_most(s, s.send_buffer);
    return buffer > used ? buffer - used : 0;
}

void narrow_for(world_state& w, const socket_ptr& s, std::size_t most, duration d) {
    if (s->narrowed > 0) return;
    s->narrowed = most;
    w.events.at(saturating_add(w.clock.now(), d), [&w, s] {
        s->narrowed = 0;
        tell_writer(*s);
        pump(w, s);
    });
}

void give(world_state& w, const socket_ptr& s, std::string_view bytes) {
    const socket_ptr to = s->peer;
    w.record("send", s->home, to ? to->home : nullptr, s->link, bytes.size(), beginning(bytes));
    s->written += bytes.size();
    if (!is_unix(*s)) {
        if (!awaits_acknowledgement(*s)) s->waits_since = w.clock.now();
        s->outgoing += bytes;
        pump(w, s);
        begin_patience(w, s);
    } else if (to) {
        w.record("arrive", s->home, to->home, s->link, bytes.size(), beginning(bytes));
        to->incoming += bytes;
        tell_reader(*to);
    }
}

void taken(world_state& w, const socket& s) {
    w.turns_at_once = 0;
    const socket_ptr sender = s.peer;
    if (!sender) return;
    if (is_unix(s)) {
        tell_writer(*sender);
    } else {
        pump(w, sender);  // its window has opened
    }
}

void pump(world_state& w, const socket_ptr& s) {
    if (s->is != socket::stage::connected || !s->peer || s->home->stands_still(w.clock.now())) return;
    const socket_ptr to = s->peer;
    // A peer that is gone has no window: the first probe detects that.
    const bool has_window = to->is == socket::stage::connected && !to->reads_ended;
    std::size_t sent = 0;  // bytes of `outgoing`, which is shortened once, at the end
    while (sent < s->outgoing.size()) {
        const std::size_t taken = s->in_flight + to->incoming.size();
        const std::size_t window = held_at_most(*s, to->window);
        if (taken >= window && has_window) break;
        std::size_t size = std::min(s->outgoing.size() - sent, largest_segment);
        if (has_window) size = std::min(size, window - taken);
        const std::uint64_t place = s->sent;
        if (size > 1 && w.happens(fault::small_segment, *s, place)) {
            size = static_cast<std::size_t>(w.amount(fault::small_segment).between(1, size - 1));
        }
        std::string bytes = s->outgoing.substr(sent, size);
        sent += size;
        s->sent += size;
        s->in_flight += size;
        if (!s->silent && w.happens(fault::silence, *s, place)) {
            s->silent = to->silent = true;
            contact_changed(w, s);
        }
        if (s->silent) {  // it is repeated until the sender gives up
            w.record("lose", s->home, to->home, s->link, size, beginning(bytes));
            continue;
        }
        s->last_arrival = w.send(*s->home, *to->home, {s->chance, place, s->link, size, s->last_arrival},
                                 [&w, s, to, bytes = std::move(bytes)] { segment_arrives(w, s, to, bytes); });
    }
    s->outgoing.erase(0, sent);
    if (s->outgoing.empty() && s->end_asked && !s->end_sent) {
        s->end_sent = true;
        if (!s->silent) {
            s->last_arrival = w.send(*s->home, *to->home, {s->chance, s->sent, s->link, 0, s->last_arrival},
                                     [&w, s, to] { end_arrives(w, s, to); });
        }
        part_if_done(s);
    }
}

namespace {

// The end of a Unix socket reaches the peer at once.
void end_unix_writing(world_state& w, const socket_ptr& s) {
    const socket_ptr to = s->peer;
    if (std::exchange(s->end_sent, true) || !to || to->is != socket::stage::connected) return;
    w.record("end", s->home, to->home, s->link);
    to->end_came = true;
    tell_reader(*to);
}

// Closes a Unix socket: the peer can read what is there, and gets an error if its own bytes were not read.
void let_go_of_unix(world_state& w, const socket_ptr& s) {
    const bool unread = !std::exchange(s->incoming, {}).empty();
    drop_all_descriptors(*s);
    s->is = socket::stage::closed;
    const socket_ptr to = s->peer;
    if (!to || to->is != socket::stage::connected) return;
    w.record(unread ? "abort" : "end", s->home, to->home, s->link);
    to->end_came = true;
    fail(*to, unread ? ECONNRESET : 0);
}

}  // namespace

void end_writing(world_state& w, const socket_ptr& s) {
    s->end_asked = true;
    if (is_unix(*s)) {
        end_unix_writing(w, s);
    } else {
        if (!awaits_acknowledgement(*s)) s->waits_since = w.clock.now();
        pump(w, s);
        begin_patience(w, s);
    }
}

void let_go(world_state& w, const socket_ptr& s) {
    s->fd = -1;
    s->watched = nullptr;
    if (s->pipe || s->process) {
        let_go_of_end(*s);
        return;
    }
    if (s->is_datagram) {
        let_go_of_datagrams(*s);
        return;
    }
    switch (s->is) {
        case socket::stage::listening:
            s->is = socket::stage::closed;
            for (const socket_ptr& waiting : std::exchange(s->backlog, {})) reset(w, waiting, 0);
            break;
        case socket::stage::connected:
            if (is_unix(*s)) {
                let_go_of_unix(w, s);
            } else if (s->abort_on_close || !s->incoming.empty()) {  // unread bytes turn the end into a reset
                reset(w, s, 0);
            } else {
                s->reads_ended = true;
                end_writing(w, s);
                part_if_done(s);
                if (s->peer) pump(w, s->peer);  // a peer that waits for room learns that nobody reads
            }
            break;
        case socket::stage::connecting: reset(w, s, 0); break;
        default: s->is = socket::stage::closed; break;
    }
    separate(s);
}

void reset(world_state& w, const socket_ptr& s, int error) {
    const socket_ptr to = s->peer;
    const bool tell = s->is != socket::stage::closed && to && !s->silent;
    fail(*s, error);
    if (!tell) return;
    w.record("abort", s->home, to->home, s->link);
    if (is_unix(*s)) {
        if (to->is == socket::stage::connected) fail(*to, error != 0 ? error : ECONNRESET);
        return;
    }
    w.send(*s->home, *to->home, {s->chance, s->sent, s->link, 0, s->last_arrival},
           [&w, s, to] { reset_arrives(w, s, to); });
}

void vanish(socket& s) noexcept {
    s.is = socket::stage::closed;
    if (s.pipe) std::erase(s.pipe->ends, &s);
    s.silent = s.vanished = true;
    s.fd = -1;
    s.watched = nullptr;
    s.in_flight = 0;
    s.outgoing.clear();
    s.incoming.clear();
    s.passed.clear();
    s.backlog.clear();
    s.datagrams.clear();
}

}  // namespace bight::sim::detail
