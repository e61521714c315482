#include "connection.hpp"

#include "simulated_demultiplexer.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace bight::sim::detail {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t largest_segment = 1460;
// As tcp_syn_retries and tcp_retries2 of Linux have it: 127 s, and about a quarter of an hour.
constexpr unsigned most_attempts = 7;
constexpr duration patience_of_sender = 924s;

using socket_ptr = std::shared_ptr<socket>;

// Whether a socket that listens at `listening` hears what is sent to `to`.
bool hears(const address& listening, const address& to) {
    if (listening.family() != to.family() || listening.port() != to.port()) return false;
    const std::string host = listening.host();
    return host == "0.0.0.0" || host == "::" || host == to.host();
}

socket_ptr find_listener(world_state& w, host_state& at, const address& to) {
    if (to.family() == address::family_type::unix_domain) {
        const auto file = at.files.find(to.path());
        socket_ptr s = file == at.files.end() ? nullptr : file->second.lock();
        return s && s->is == socket::stage::listening ? s : nullptr;
    }
    std::vector<socket_ptr> listeners;
    for (const auto& [fd, s] : at.open) {
        if (s->is == socket::stage::listening && hears(s->local, to)) listeners.push_back(s);
    }
    if (listeners.empty()) return nullptr;
    return listeners[w.for_network.below(listeners.size())];
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
    tell_reader(s);
    tell_writer(s);
}

// Buffers differ from connection to connection, as they do.
void size_buffers(world_state& w, socket& s) {
    s.send_buffer = static_cast<std::size_t>(w.for_network.between(4, 256)) * 1024;
    s.window = static_cast<std::size_t>(w.for_network.between(2, 128)) * 1024;
}

void join(world_state& w, const socket_ptr& a, const socket_ptr& b) {
    w.connections.push_back(a);
    a->link = b->link = ++w.last_link;
    a->peer = b;
    b->peer = a;
    size_buffers(w, *a);
    size_buffers(w, *b);
}

void attempt(world_state& w, const socket_ptr& s, host_state& to);

// The answer to an attempt has come back.
void answered(world_state& w, const socket_ptr& s, int error) {
    if (s->is != socket::stage::connecting) return;
    if (error != 0) {
        w.record("refused", s->home, nullptr, 0, 0, s->remote.to_string());
        fail(*s, error);
        return;
    }
    s->is = socket::stage::connected;
    w.record("connected", s->home, s->peer->home, s->link);
    tell_writer(*s);
    pump(w, s);
}

void attempt_arrives(world_state& w, const socket_ptr& s, host_state& at) {
    if (s->is != socket::stage::connecting || s->peer) return;
    const socket_ptr listener = find_listener(w, at, s->remote);
    if (!listener || w.happens(fault::refused_connect, at)) {
        w.send(at, *s->home, 0, {}, [&w, s] { answered(w, s, ECONNREFUSED); });
        return;
    }
    if (listener->backlog.size() >= listener->backlog_limit) return;  // dropped: it is tried again
    auto accepted = std::make_shared<socket>();
    accepted->home = &at;
    accepted->family = s->family;
    accepted->is = socket::stage::connected;
    accepted->local = s->remote;
    accepted->remote = s->local;
    join(w, accepted, s);
    w.record("connect", s->home, &at, s->link, 0, s->remote.to_string());
    listener->backlog.push_back(accepted);
    tell_reader(*listener);
    accepted->last_arrival = w.send(at, *s->home, 0, {}, [&w, s] { answered(w, s, 0); });
}

void attempt(world_state& w, const socket_ptr& s, host_state& to) {
    if (s->is != socket::stage::connecting) return;
    if (s->attempts == most_attempts) {
        reset(w, s, ETIMEDOUT);
        return;
    }
    const duration until_the_next = std::chrono::seconds(1) * (1 << s->attempts);
    ++s->attempts;
    if (!s->peer && !w.happens(fault::lost_connect, *s->home)) {
        w.send(*s->home, to, 0, {}, [&w, s, &to] { attempt_arrives(w, s, to); });
    }
    w.events.at(saturating_add(w.clock.now(), until_the_next), [&w, s, &to] { attempt(w, s, to); });
}

// The peer's bytes are for nobody: its kernel is told so.
void refuse_segment(world_state& w, host_state& at, const socket_ptr& sender) {
    w.send(at, *sender->home, 0, {}, [&w, sender] {
        if (sender->is != socket::stage::connected) return;
        w.record("reset", nullptr, sender->home, sender->link);
        fail(*sender, sender->end_sent ? EPIPE : ECONNRESET);
    });
}

void segment_arrives(world_state& w, const socket_ptr& sender, const socket_ptr& to, std::string bytes) {
    sender->in_flight -= std::min(sender->in_flight, bytes.size());
    if (to->is != socket::stage::connected || to->reads_ended) {
        if (sender->is == socket::stage::connected) refuse_segment(w, *to->home, sender);
        return;
    }
    w.record("arrive", sender->home, to->home, to->link, bytes.size(), bytes.substr(0, 32));
    to->incoming += bytes;
    if (w.happens(fault::reset, *to->home, to->link)) {
        fail(*to, ECONNRESET);
        w.send(*to->home, *sender->home, 0, {}, [sender] {
            if (sender->is == socket::stage::connected) fail(*sender, ECONNRESET);
        });
        return;
    }
    tell_reader(*to);
    tell_writer(*sender);
    pump(w, sender);
}

void end_arrives(world_state& w, const socket_ptr& to) {
    if (to->is != socket::stage::connected || to->end_came) return;
    w.record("end", to->peer ? to->peer->home : nullptr, to->home, to->link);
    to->end_came = true;
    tell_reader(*to);
}

// Both ends of a connection keep each other until neither is of use.
void separate(const socket_ptr& s) {
    const socket_ptr other = s->peer;
    if (!other || s->is != socket::stage::closed || other->is != socket::stage::closed) return;
    if (s->fd >= 0 || other->fd >= 0) return;
    s->peer.reset();
    other->peer.reset();
}

// A closed socket whose bytes have all gone needs no more of this.
void part_if_done(const socket_ptr& s) {
    if (s->fd < 0 && s->reads_ended && s->end_sent && s->is == socket::stage::connected) {
        s->is = socket::stage::closed;
    }
}

}  // namespace

void tell_reader(socket& s) {
    if (s.watched && s.home->demux) s.home->demux->changed(*s.watched, true);
}

void tell_writer(socket& s) {
    if (s.watched && s.home->demux) s.home->demux->changed(*s.watched, false);
}

int begin_connect(world_state& w, const socket_ptr& s, const address& to) {
    host_state& from = *s->home;
    if (from.dying) return -ENETDOWN;
    s->remote = to;
    host_state* const there = host_at(w, from, to);
    if (to.family() == address::family_type::unix_domain) {
        const socket_ptr listener = find_listener(w, from, to);
        if (!listener) {
            const bool there_is_a_file = to.path().starts_with('@') || from.files.contains(to.path());
            return there_is_a_file ? -ECONNREFUSED : -ENOENT;
        }
        if (listener->backlog.size() >= listener->backlog_limit) return -EAGAIN;
        auto accepted = std::make_shared<socket>();
        accepted->home = &from;
        accepted->family = s->family;
        accepted->is = s->is = socket::stage::connected;
        accepted->local = to;
        join(w, accepted, s);
        w.record("connect", &from, &from, s->link, 0, to.to_string());
        listener->backlog.push_back(accepted);
        tell_reader(*listener);
        return 0;
    }
    if (!s->local || s->local.port() == 0) {
        const bool here = there == &from;
        const std::string ip = s->local ? s->local.host() : here ? to.host() : from.ip;
        if (to.family() == address::family_type::ipv6 && !here) return -ENETUNREACH;
        s->local = address::from_ip(ip, from.next_port++);
        if (from.next_port == 0) from.next_port = 32768;
    }
    s->is = socket::stage::connecting;
    s->attempts = 0;
    if (there) {
        attempt(w, s, *there);
    } else {  // nobody has this address
        const duration long_enough = std::chrono::seconds((1 << most_attempts) - 1);
        w.events.at(saturating_add(w.clock.now(), long_enough), [s] {
            if (s->is == socket::stage::connecting) fail(*s, ETIMEDOUT);
        });
    }
    return 1;
}

void pump(world_state& w, const socket_ptr& s) {
    if (s->is != socket::stage::connected || !s->peer) return;
    const socket_ptr to = s->peer;
    while (!s->outgoing.empty()) {
        const std::size_t taken = s->in_flight + to->incoming.size();
        if (taken >= to->window && !to->reads_ended) break;
        std::size_t size = std::min(s->outgoing.size(), largest_segment);
        if (!to->reads_ended) size = std::min(size, to->window - taken);
        if (size > 1 && w.happens(fault::small_segment, *s->home, s->link)) {
            size = static_cast<std::size_t>(w.for_network.between(1, size - 1));
        }
        std::string bytes = s->outgoing.substr(0, size);
        s->outgoing.erase(0, size);
        s->in_flight += size;
        if (!s->silent && w.happens(fault::silence, *s->home, s->link)) {
            s->silent = to->silent = true;
        }
        if (s->silent) {  // it is sent again and again, until the sender gives up
            w.events.at(saturating_add(w.clock.now(), patience_of_sender), [s] {
                if (s->is == socket::stage::connected) fail(*s, ETIMEDOUT);
            });
            continue;
        }
        s->last_arrival = w.send(*s->home, *to->home, size, s->last_arrival,
                                 [&w, s, to, bytes = std::move(bytes)] { segment_arrives(w, s, to, bytes); });
    }
    if (s->outgoing.empty() && s->end_asked && !s->end_sent) {
        s->end_sent = true;
        if (!s->silent) {
            s->last_arrival =
                w.send(*s->home, *to->home, 0, s->last_arrival, [&w, to] { end_arrives(w, to); });
        }
        part_if_done(s);
    }
}

void end_writing(world_state& w, const socket_ptr& s) {
    s->end_asked = true;
    pump(w, s);
}

void let_go(world_state& w, const socket_ptr& s) {
    s->fd = -1;
    s->watched = nullptr;
    switch (s->is) {
        case socket::stage::listening:
            s->is = socket::stage::closed;
            for (const socket_ptr& waiting : std::exchange(s->backlog, {})) reset(w, waiting, ECONNABORTED);
            break;
        case socket::stage::connected:
            if (s->abort_on_close || !s->incoming.empty()) {  // unread bytes turn the end into a reset
                reset(w, s, ECONNABORTED);
            } else {
                s->reads_ended = true;
                end_writing(w, s);
                part_if_done(s);
            }
            break;
        case socket::stage::connecting: reset(w, s, ECONNABORTED); break;
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
    w.send(*s->home, *to->home, 0, s->last_arrival, [to] {
        if (to->is == socket::stage::connected) fail(*to, ECONNRESET);
    });
}

void vanish(socket& s) noexcept {
    s.is = socket::stage::closed;
    s.fd = -1;
    s.watched = nullptr;
    s.outgoing.clear();
    s.incoming.clear();
    s.backlog.clear();
}

}  // namespace bight::sim::detail
