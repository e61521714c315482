#include "datagrams.hpp"

#include "connection.hpp"
#include "messages.hpp"
#include "simulated_demultiplexer.hpp"

#include "../io/socket_headers.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bight::sim::detail {

namespace {

using datagram_socket_ptr = std::shared_ptr<socket>;

constexpr std::size_t largest_ipv4 = 65507;
constexpr std::size_t largest_ipv6 = 65527;
constexpr std::size_t largest_unix = 212960;    // Linux's default of a send buffer, with what it takes
constexpr std::size_t default_buffer = 212992;  // net.core.rmem_default
constexpr std::size_t cost_of_each = 768;       // what Linux counts for a small datagram
constexpr std::size_t longest_unix_queue = 11;  // net.unix.max_dgram_qlen, and one
constexpr std::size_t most_segments = 128;      // UDP_MAX_SEGMENTS
constexpr unsigned loopback_index = 1;
constexpr unsigned network_index = 2;

bool is_unix(const address& a) noexcept { return a.family() == address::family_type::unix_domain; }

bool is_loopback(const address& a) {
    const std::string ip = a.host();
    return ip.starts_with("127.") || ip == "::1";
}

bool is_wildcard(const address& a) {
    const std::string ip = a.host();
    return ip == "0.0.0.0" || ip == "::";
}

// Sending to the "any" address means this host itself.
address real_peer(const address& to) {
    if (!is_wildcard(to)) return to;
    return address::from_ip(to.family() == address::family_type::ipv6 ? "::1" : "127.0.0.1", to.port());
}

bool is_here(const host_state& from, const address& to) { return is_loopback(to) || to.host() == from.ip; }

host_state* host_of(world_state& w, host_state& from, const address& to) {
    return is_here(from, to) ? &from : w.find_host(to.host());
}

// The address that a datagram to `to` comes from.
address source_for(const socket& s, const address& to) {
    if (!is_wildcard(s.local)) return s.local;
    const std::string ip = is_loopback(to) ? to.host() : s.home->ip;
    // Any address of the loopback network is reached from its first address.
    return address::from_ip(ip.starts_with("127.") ? "127.0.0.1" : ip, s.local.port());
}

// One that goes through this interface to a group, or to everybody.
address source_through(const socket& s, unsigned interface_index, const address& to) {
    if (!is_wildcard(s.local)) return s.local;
    const bool ipv6 = to.family() == address::family_type::ipv6;
    const std::string own = ipv6 ? "::1" : "127.0.0.1";
    return address::from_ip(interface_index == loopback_index || ipv6 ? own : s.home->ip, s.local.port());
}

// A socket for both families shows an IPv4 address as one of IPv6 (RFC 4291, 2.5.5.2).
address shown(const socket& at, const address& a) {
    const bool mapped = at.family == AF_INET6 && a.family() == address::family_type::ipv4;
    return mapped ? address::from_ip("::ffff:" + a.host(), a.port()) : a;
}

bool is_broadcast(const address& a) {
    const std::string ip = a.host();
    return ip == "255.255.255.255" || ip == "127.255.255.255";
}

bool is_for_many(const address& a) { return is_multicast(a) || is_broadcast(a); }

bool exists(unsigned interface_index) noexcept { return interface_index <= network_index; }

address unmapped(const address& a) {
    const std::string ip = a.host();
    return ip.starts_with("::ffff:") ? address::from_ip(ip.substr(7), a.port()) : a;
}

// How well a socket matches what was sent: 0 not at all, and more for one with a peer.
int match_of(const socket& s, const address& from, const address& to) {
    if (!s.is_datagram || s.is == socket::stage::closed || s.local.port() != to.port()) return 0;
    if (s.remote && s.remote != shown(s, from)) return 0;
    const std::string bound = s.local.host();
    int match = s.remote ? 4 : 1;
    if (s.local.family() != to.family()) return !s.only_ipv6 && bound == "::" ? match : 0;
    if (!is_wildcard(s.local)) {
        if (bound != to.host()) return 0;
        ++match;
    }
    return match;
}

// When several share the port, a random one of the best gets the datagram.
datagram_socket_ptr receiver_at(host_state& at, const address& from, const address& to) {
    std::vector<datagram_socket_ptr> best;
    int match = 1;
    for (const auto& [fd, s] : at.open) {
        const int this_one = match_of(*s, from, to);
        if (this_one == 0 || this_one < match) continue;
        if (this_one > match) best.clear();
        match = this_one;
        best.push_back(s);
    }
    if (best.empty()) return nullptr;
    return best.size() == 1 ? best[0] : best[best[0]->chance.draw(purpose::listener).below(best.size())];
}

std::size_t buffer_of(const socket& s) noexcept {
    return s.numbers.receive_buffer > 0 ? static_cast<std::size_t>(s.numbers.receive_buffer) : default_buffer;
}

std::string_view start_of(const std::string& bytes) noexcept { return std::string_view(bytes).substr(0, 32); }

// The sender's socket is told, if it has a peer, and still has that one.
void refused(world_state& w, const std::weak_ptr<socket>& sender, const address& by) {
    const datagram_socket_ptr s = sender.lock();
    if (!s || s->is == socket::stage::closed || s->remote != shown(*s, by)) return;
    w.record_arrival("refused", nullptr, s->home, 0, 0, by.to_string());
    s->error = ECONNREFUSED;
    tell_reader(*s);
}

struct sent_datagram {
    std::string bytes;
    address from;
    address to;
    std::weak_ptr<socket> sender;
    unsigned interface_index = 0;
    std::uint8_t traffic_class = 0;
};

void put_into(world_state& w, host_state& from, socket& s, const sent_datagram& d) {
    host_state& at = *s.home;
    if (s.queued + d.bytes.size() + cost_of_each > buffer_of(s)) {
        w.record_arrival("drop", &from, &at, 0, d.bytes.size(), "the receive buffer is full");
        return;
    }
    w.record_arrival("arrive", &from, &at, 0, d.bytes.size(), start_of(d.bytes));
    s.queued += d.bytes.size() + cost_of_each;
    s.datagrams.push_back({d.bytes, shown(s, d.from), shown(s, d.to), d.interface_index, d.traffic_class});
    tell_reader(s);
}

void datagram_arrives(world_state& w, host_state& from, host_state& at, const sent_datagram& d) {
    if (const datagram_socket_ptr s = receiver_at(at, d.from, d.to)) {
        put_into(w, from, *s, d);
        return;
    }
    w.record_arrival("refuse", &from, &at, 0, d.bytes.size(), d.to.to_string());
    w.send_datagram(at, from, 0, [&w, sender = d.sender, to = d.to] { refused(w, sender, to); });
}

bool is_member(const socket& s, const sent_datagram& d) {
    return std::any_of(s.groups.begin(), s.groups.end(), [&](const multicast_group& g) {
        const unsigned at = g.interface_index == 0 ? network_index : g.interface_index;
        const bool from_source = !g.source || g.source.host() == d.from.host();
        return g.group.host() == d.to.host() && from_source && at == d.interface_index;
    });
}

// To a group, or to everybody: each socket gets it that is a member, or that is bound to receive from all.
void arrives_for_all(world_state& w, host_state& from, host_state& at, const sent_datagram& d) {
    for (const auto& [fd, s] : at.open) {
        if (match_of(*s, d.from, d.to) > 0 && (!is_multicast(d.to) || is_member(*s, d)))
            put_into(w, from, *s, d);
    }
}

void send_to_all(world_state& w, const socket& s, const sent_datagram& d) {
    host_state& from = *s.home;
    const bool group = is_multicast(d.to);
    const bool stays = d.interface_index == loopback_index || (group && s.to_groups.hops == 0) ||
                       d.to.family() == address::family_type::ipv6;
    for (host_state* const at : w.states) {
        const bool own = at == &from;
        if (own ? group && !s.to_groups.loopback.value_or(true) : stays) continue;
        w.send_datagram(from, *at, d.bytes.size(), [&w, &from, at, d] { arrives_for_all(w, from, *at, d); });
    }
}

// An unbound socket gets a port as it first sends.
bool bind_to_any(socket& s) {
    if (s.local) return true;
    host_state& h = *s.home;
    for (int tried = 0; tried < 32768; ++tried) {
        const std::uint16_t port = h.next_ephemeral_port();
        const bool taken = std::any_of(h.open.begin(), h.open.end(), [port](const auto& entry) {
            return entry.second->is_datagram && entry.second->local.port() == port;
        });
        if (taken) continue;
        s.local = address::from_ip(s.family == AF_INET6 ? "::" : "0.0.0.0", port);
        return true;
    }
    return false;
}

// What one of an operation's datagrams asks for.
struct wanted_datagram {
    address to;
    address from;
    unsigned interface_index = 0;
    std::optional<std::uint8_t> traffic_class;
    std::size_t segment_size = 0;
    std::string bytes;
    const bight::detail::control_along* along = nullptr;
};

wanted_datagram wanted_by(const bight::detail::send_datagrams_operation& op, std::size_t i, const socket& s) {
    wanted_datagram d;
    if (op.datagrams) {
        const outgoing_datagram& o = op.datagrams[i];
        d = {o.to,
             o.from,
             o.interface_index,
             o.traffic_class,
             o.segment_size,
             std::string(static_cast<const char*>(o.bytes.data), o.bytes.size),
             nullptr};
    } else {
        if (op.to) d.to = *op.to;
        d.along = op.along;
        for (std::size_t n = 0; n < op.piece_count; ++n) {
            d.bytes.append(static_cast<const char*>(op.pieces[n].data), op.pieces[n].size);
        }
    }
    if (!d.to) d.to = s.remote;
    return d;
}

// The socket at a path, or of the peer; null, with the error, when nobody is there.
datagram_socket_ptr unix_receiver(const socket& s, const address& to, int& error) {
    datagram_socket_ptr there;
    error = ECONNREFUSED;
    if (s.remote) {
        there = s.unix_peer.lock();
    } else {
        const auto file = s.home->files.find(to.path());
        if (file != s.home->files.end()) {
            there = file->second.lock();
        } else if (!to.path().starts_with('@')) {
            error = ENOENT;
        }
    }
    if (!there || there->is == socket::stage::closed) return nullptr;
    error = there->is_datagram ? 0 : EPROTOTYPE;
    if (there->remote && s.local != there->remote) error = EPERM;  // it has another peer
    return error == 0 ? there : nullptr;
}

// 0, or an error number; EAGAIN when the receiver has no room.
int send_unix(world_state& w, const socket& s, wanted_datagram wanted) {
    std::string& bytes = wanted.bytes;
    if (bytes.size() > largest_unix) return EMSGSIZE;
    int error = 0;
    const datagram_socket_ptr there = unix_receiver(s, wanted.to, error);
    if (!there) return error;
    if (there->datagrams.size() >= longest_unix_queue) return EAGAIN;
    datagram d{std::move(bytes), s.local, std::move(wanted.to)};
    if (wanted.along) error = send_along(*s.home, *wanted.along, d.descriptors);
    if (error != 0) return error;
    w.record("send", s.home, s.home, 0, d.bytes.size(), start_of(d.bytes));
    there->datagrams.push_back(std::move(d));
    tell_reader(*there);
    return 0;
}

// 0, or an error number.
int send_udp(world_state& w, const datagram_socket_ptr& s, wanted_datagram wanted) {
    if (s->error != 0) return std::exchange(s->error, 0);
    // A socket for both families has IPv4 peers at addresses of IPv6.
    const address to = unmapped(real_peer(wanted.to));
    if (s->only_ipv6 && to.native_family() != s->family) return ENETUNREACH;
    const bool ipv6 = to.family() == address::family_type::ipv6;
    if (wanted.bytes.size() > (ipv6 ? largest_ipv6 : largest_ipv4)) return EMSGSIZE;
    const std::size_t step = wanted.segment_size > 0 ? wanted.segment_size : wanted.bytes.size();
    if (to.port() == 0 || wanted.bytes.size() > step * most_segments) return EINVAL;
    if (!exists(wanted.interface_index)) return ENODEV;
    if (!bind_to_any(*s)) return EAGAIN;
    host_state& from = *s->home;
    sent_datagram d{{}, {}, to, s, wanted.interface_index, 0};
    d.traffic_class = wanted.traffic_class.value_or(static_cast<std::uint8_t>(s->numbers.dscp << 2));
    const bool to_all = is_for_many(to);
    host_state* there = nullptr;
    if (to_all) {
        if (is_broadcast(to) && !s->broadcasts) return EACCES;
        if (is_multicast(to) && d.interface_index == 0)
            d.interface_index = s->to_groups.interface_index.value_or(0);
        if (d.interface_index == 0) d.interface_index = is_loopback(to) ? loopback_index : network_index;
        d.from = source_through(*s, d.interface_index, to);
    } else {
        if (ipv6 && !is_here(from, to)) return ENETUNREACH;
        if (is_loopback(s->local) && !is_here(from, to)) return EINVAL;
        there = host_of(w, from, to);
        d.from = source_for(*s, to);
        d.interface_index = is_loopback(to) || there == &from ? loopback_index : network_index;
    }
    if (wanted.from) {
        const address source = unmapped(wanted.from);
        if (is_for_many(source) || !is_here(from, source)) return EINVAL;
        d.from = address::from_ip(source.host(), s->local.port());
    }
    w.record("send", &from, there, 0, wanted.bytes.size(), start_of(wanted.bytes));
    for (std::size_t at = 0; at == 0 || at < wanted.bytes.size(); at += step) {
        d.bytes = wanted.bytes.substr(at, step);
        if (to_all) {
            send_to_all(w, *s, d);
        } else if (there) {  // otherwise nobody has this address
            w.send_datagram(from, *there, d.bytes.size(),
                            [&w, &from, there, d] { datagram_arrives(w, from, *there, d); });
        }
        if (step == 0) break;
    }
    return 0;
}

// 0, or an error number.
int send_wanted(world_state& w, const datagram_socket_ptr& s, wanted_datagram wanted) {
    if (!wanted.to) return s->family == AF_UNIX ? ENOTCONN : EDESTADDRREQ;
    return is_unix(wanted.to) ? send_unix(w, *s, std::move(wanted)) : send_udp(w, s, std::move(wanted));
}

// The next datagrams are one with the first if that has asked for it, they are alike, and there is room.
void coalesce(socket& s, datagram& first, received_datagram& got, std::size_t room) {
    const std::size_t step = first.bytes.size();
    while (step > 0 && !s.datagrams.empty()) {
        const datagram& next = s.datagrams.front();
        const bool alike = next.from == first.from && next.to == first.to &&
                           next.traffic_class == first.traffic_class && !next.bytes.empty() &&
                           next.bytes.size() <= step && first.bytes.size() + next.bytes.size() <= room;
        if (!alike) return;
        const bool last = next.bytes.size() < step;
        got.segment_size = step;
        first.bytes += next.bytes;
        s.queued -= std::min(s.queued, next.bytes.size() + cost_of_each);
        s.datagrams.pop_front();
        if (last) return;
    }
}

void receive_one(const bight::detail::receive_datagrams_operation& op, socket& s, datagram_slot& into) {
    datagram d = std::move(s.datagrams.front());
    s.datagrams.pop_front();
    s.queued -= std::min(s.queued, d.bytes.size() + cost_of_each);
    received_datagram& got = into.got;
    got = received_datagram();
    if (s.coalesces && s.family != AF_UNIX) coalesce(s, d, got, into.memory.size);
    got.size = std::min(into.memory.size, d.bytes.size());
    if (got.size > 0) std::memcpy(into.memory.data, d.bytes.data(), got.size);
    got.truncated = got.size < d.bytes.size();
    got.from = d.from;
    if (s.tells_arrival && s.family != AF_UNIX) {
        got.to = d.to;
        got.to_many = is_for_many(unmapped(d.to));
        got.interface_index = d.interface_index;
    } else if (op.to) {
        got.to = *op.to;
    }
    if (s.tells_traffic_class && s.family != AF_UNIX) got.traffic_class = d.traffic_class;
    if (s.tells_sender && s.family == AF_UNIX) got.sender = datagram_sender{.process = 1};
    receive_along(*s.home, op.along, std::move(d.descriptors));
    s.read += d.bytes.size() + 1;
}

}  // namespace

bool is_multicast(const address& a) {
    if (a.family() == address::family_type::ipv6) return a.host().starts_with("ff");
    if (a.family() != address::family_type::ipv4) return false;
    const int first = std::stoi(a.host());
    return first >= 224 && first <= 239;
}

bool has_datagram(const socket& s) noexcept {
    return s.error != 0 || s.is == socket::stage::closed || !s.datagrams.empty();
}

bool receive_datagrams(world_state& w, bight::detail::receive_datagrams_operation& op, socket& s) {
    op.later_error = 0;
    // As in Linux, an error comes before the datagrams that are there.
    if (s.error != 0) {
        op.result = -std::exchange(s.error, 0);
        return true;
    }
    if (s.datagrams.empty()) return false;
    const std::size_t most = std::min(op.slot_count, bight::detail::most_datagrams_of_a_call);
    std::size_t filled = 0;
    while (filled < most && !s.datagrams.empty()) receive_one(op, s, op.slots[filled++]);
    op.result = static_cast<std::int64_t>(filled);
    w.turns_at_once = 0;
    if (s.family != AF_UNIX) return true;
    for (const auto& [fd, sender] : s.home->open) {
        if (sender->is_datagram && sender->remote && sender->remote == s.local) tell_writer(*sender);
    }
    return true;
}

bool can_send_datagram(const socket& s) {
    if (s.family != AF_UNIX || !s.remote) return true;
    int error = 0;
    const datagram_socket_ptr there = unix_receiver(s, s.remote, error);
    return !there || there->datagrams.size() < longest_unix_queue;
}

bool send_datagrams(world_state& w, bight::detail::send_datagrams_operation& op,
                    const std::shared_ptr<socket>& s) {
    const std::size_t count = op.datagrams ? std::min(op.count, bight::detail::most_datagrams_of_a_call) : 1;
    std::size_t sent = 0;
    int error = 0;
    while (sent < count && error == 0) {
        wanted_datagram wanted = wanted_by(op, sent, *s);
        const std::size_t size = wanted.bytes.size();
        error = send_wanted(w, s, std::move(wanted));
        if (error == 0) {
            ++sent;
            s->written += size + 1;
        }
    }
    if (sent == 0 && error == EAGAIN && op.may_wait) return false;
    op.result = sent > 0 ? static_cast<std::int64_t>(sent) : -error;
    return true;
}

int set_membership(socket& s, const multicast_group& of, bool joins) {
    if (!s.is_datagram || s.family == AF_UNIX || of.group.native_family() != s.family) return -EAFNOSUPPORT;
    if (of.source && of.source.native_family() != s.family) return -EAFNOSUPPORT;
    if (!is_multicast(of.group)) return -EINVAL;
    if (!exists(of.interface_index)) return -ENODEV;
    const auto same_place = [&of](const multicast_group& g) {
        return g.group.host() == of.group.host() && g.interface_index == of.interface_index;
    };
    const auto same = [&](const multicast_group& g) {
        return same_place(g) && (of.source ? g.source && g.source.host() == of.source.host() : !g.source);
    };
    const auto at = std::find_if(s.groups.begin(), s.groups.end(), same);
    if (!joins) {
        if (at == s.groups.end()) return -EADDRNOTAVAIL;
        s.groups.erase(at);
        return 0;
    }
    if (at != s.groups.end()) return of.source ? -EADDRNOTAVAIL : -EADDRINUSE;
    s.groups.push_back(of);
    return 0;
}

int set_multicast(socket& s, const multicast_options& options) {
    if (!s.is_datagram || s.family == AF_UNIX) return -EOPNOTSUPP;
    if (!exists(options.interface_index.value_or(0))) return s.family == AF_INET ? -EADDRNOTAVAIL : -ENODEV;
    if (options.loopback) s.to_groups.loopback = options.loopback;
    if (options.hops) s.to_groups.hops = options.hops;
    if (options.interface_index) s.to_groups.interface_index = options.interface_index;
    return 0;
}

int connect_datagrams(world_state& w, const std::shared_ptr<socket>& s, const address& to) {
    if (is_unix(to)) {
        int error = 0;
        s->unix_peer = unix_receiver(*s, to, error);
        if (error == 0) s->remote = to;
        return -error;
    }
    const address peer = real_peer(to);
    host_state& here = *s->home;
    if (peer.family() == address::family_type::ipv6 && !is_here(here, peer)) return -ENETUNREACH;
    if (!bind_to_any(*s)) return -EAGAIN;
    if (is_loopback(s->local) && !is_here(here, peer)) return -EINVAL;
    s->local = source_for(*s, peer);
    s->remote = peer;
    (void)w;
    return 0;
}

void let_go_of_datagrams(socket& s) {
    s.is = socket::stage::closed;
    for (datagram& unwanted : std::exchange(s.datagrams, {})) {
        receive_along(*s.home, nullptr, std::move(unwanted.descriptors));
    }
    s.queued = 0;
    if (s.family != AF_UNIX || !s.local) return;
    for (const auto& [fd, sender] : s.home->open) {  // those that wait for room meet the error
        if (sender->is_datagram && sender->remote && sender->remote == s.local) tell_writer(*sender);
    }
}

}  // namespace bight::sim::detail
