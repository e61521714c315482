#include "simulated_sockets.hpp"

#include "connection.hpp"
#include "contact.hpp"
#include "datagrams.hpp"
#include "messages.hpp"
#include "pipes.hpp"
#include "world_state.hpp"

#include "../io/socket_headers.hpp"

#include <bight/sim/allocation_fault.hpp>

#include <cerrno>
#include <memory>
#include <string>

namespace bight::sim::detail {

using bight::detail::socket_type;

namespace {

bool is_file(const address& a) noexcept {
    return a.family() == address::family_type::unix_domain && !a.path().starts_with('@');
}

bool any_address(const address& a) {
    const std::string ip = a.host();
    return ip == "0.0.0.0" || ip == "::";
}

}  // namespace

simulated_sockets::simulated_sockets(host_thread& of) noexcept : thread_(of), host_(of.host) {}

int simulated_sockets::open(int family, socket_type type) noexcept {
    const not_failing machinery;
    if (!host_.up) return -ENETDOWN;
    auto made = std::make_shared<socket>(host_, family, thread_.chance.child());
    made->is_datagram = type == socket_type::datagram;
    return thread_.opened(host_.add(std::move(made)));
}

void simulated_sockets::close(native_handle fd) noexcept {
    const not_failing machinery;
    thread_.closed(fd);
    host_.close(fd);
}

int simulated_sockets::set(native_handle fd, option which, bool on) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return -EBADF;
    if (which == option::reuse_port) s->reuse_port = on;
    if (which == option::abort_on_close) s->abort_on_close = on;
    if (which == option::no_delay) s->numbers.no_delay = on;
    if (which == option::only_ipv6) s->only_ipv6 = on;
    if (which == option::tell_arrival) s->tells_arrival = on;
    if (which == option::tell_traffic_class) s->tells_traffic_class = on;
    if (which == option::tell_sender) s->tells_sender = on;
    if (which == option::coalesce_received) s->coalesces = on;
    if (which == option::broadcast) s->broadcasts = on;
    if (which == option::share_address) s->share_address = on;
    if (which == option::keep_alive) {
        s->keep_alive = on;
        begin_patience(host_.world, s);
    }
    return 0;
}

bool simulated_sockets::taken(const socket& by, const address& to) const noexcept {
    for (const auto& [fd, s] : host_.open) {
        if (s.get() == &by || s->local.family() != to.family() || s->local.port() != to.port()) continue;
        if (s->is_datagram != by.is_datagram) continue;
        if (s->is != socket::stage::listening && s->is != socket::stage::fresh) continue;
        if ((s->reuse_port && by.reuse_port) || (s->share_address && by.share_address)) continue;
        if (any_address(s->local) || any_address(to) || s->local.host() == to.host()) return true;
    }
    return false;
}

int simulated_sockets::bind(native_handle fd, const address& to) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return -EBADF;
    if (s->local) return -EINVAL;
    if (to.family() == address::family_type::unix_domain) {
        const auto [file, fresh] = host_.files.try_emplace(to.path(), s);
        if (!fresh) {
            if (is_file(to) || file->second.lock()) return -EADDRINUSE;
            file->second = s;
        }
        s->local = to;
        return 0;
    }
    const std::string ip = to.host();
    const bool own = any_address(to) || ip == host_.ip || ip.starts_with("127.") || ip == "::1";
    if (!own && !(s->is_datagram && is_multicast(to))) return -EADDRNOTAVAIL;
    address wanted = to;
    if (to.port() == 0) {
        int tried = 0;
        do {
            if (++tried > 32768) return -EADDRINUSE;  // see ip(7)
            wanted = address::from_ip(ip, host_.next_ephemeral_port());
        } while (taken(*s, wanted));
    } else if (taken(*s, to)) {
        return -EADDRINUSE;
    }
    s->local = wanted;
    return 0;
}

int simulated_sockets::listen(native_handle fd, int backlog) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return -EBADF;
    s->is = socket::stage::listening;
    s->chance = thread_.chance_of("listen " + s->local.to_string()).child();
    s->backlog_limit = backlog > 0 ? static_cast<std::size_t>(backlog) : 0;
    host_.world.record("listen", &host_, nullptr, 0, 0, s->local.to_string());
    return 0;
}

int simulated_sockets::connect_datagrams(native_handle fd, const address& to) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? detail::connect_datagrams(host_.world, s, to) : -EBADF;
}

int simulated_sockets::set_multicast(native_handle fd, const multicast_options& options) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? detail::set_multicast(*s, options) : -EBADF;
}

int simulated_sockets::set_membership(native_handle fd, const multicast_group& of, bool joins) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? detail::set_membership(*s, of, joins) : -EBADF;
}

bool simulated_sockets::can_segment(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s && s->is_datagram && s->family != AF_UNIX;
}

bool simulated_sockets::exhausted() const noexcept {
    const std::size_t most = host_.world.options.sockets_per_host;
    return most > 0 && host_.open.size() >= most;
}

int simulated_sockets::accept(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? accept(*s) : -EBADF;
}

int simulated_sockets::accept(socket& listening) noexcept {
    const not_failing machinery;
    if (exhausted()) return -EMFILE;  // as Linux, which allocates the descriptor first
    if (listening.backlog.empty()) return -EAGAIN;
    std::shared_ptr<socket> s = listening.backlog.front();
    if (host_.world.has.aborts_accepted && s->is == socket::stage::closed && s->error != 0) {
        listening.backlog.pop_front();
        let_go(host_.world, s);
        host_.world.show(trait::accept_aborted);
        return -ECONNABORTED;
    }
    const int fd = thread_.opened(host_.add(s));
    if (fd < 0) return fd;
    listening.backlog.pop_front();
    host_.world.record("accept", &host_, s->peer ? s->peer->home : nullptr, s->link, 0,
                       s->remote.to_string());
    return fd;
}

int simulated_sockets::family(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? s->family : -EBADF;
}

int simulated_sockets::listens(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? s->is == socket::stage::listening : -host_.refuse("a real descriptor").value();
}

int simulated_sockets::is_stream(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? !s->is_datagram : -host_.refuse("a real descriptor").value();
}

int simulated_sockets::has_datagrams(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? s->is_datagram : -host_.refuse("a real descriptor").value();
}

int simulated_sockets::duplicate(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? thread_.opened(host_.add(s)) : -EBADF;
}

address simulated_sockets::local(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s ? s->local : address();
}

address simulated_sockets::peer(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    const bool has = s && (s->is == socket::stage::connected || s->family == AF_UNIX || s->is_datagram);
    return has ? s->remote : address();
}

// All programs of a host are one process, of its only user.
int simulated_sockets::credentials(native_handle fd, bight::detail::told_credentials& peer) {
    if (!host_.find(fd)) return -EBADF;
    peer.process = 1;
    peer.user = peer.group = 0;
    return 0;
}

int simulated_sockets::shutdown_write(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return -EBADF;
    if (s->is != socket::stage::connected) return -ENOTCONN;
    end_writing(host_.world, s);
    return 0;
}

int simulated_sockets::input_ended(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s && s->end_came ? 1 : 0;
}

simulated_sockets::peer_state simulated_sockets::state_of_peer(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (s && s->pipe) {
        if (!hung_up(*s)) return peer_state::there;
        return s->writes_pipe ? peer_state::has_failed : peer_state::hung_up;
    }
    if (!s || s->error != 0) return peer_state::has_failed;
    if (s->is == socket::stage::closed) return peer_state::hung_up;
    return s->end_came ? peer_state::ended : peer_state::there;
}

std::size_t simulated_sockets::unsent(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s && s->is == socket::stage::connected ? s->outgoing.size() + s->in_flight : 0;
}

std::size_t simulated_sockets::room(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    return s && s->is == socket::stage::connected ? detail::room(*s) : 0;
}

void simulated_sockets::discard_input(native_handle fd) noexcept {
    const not_failing machinery;
    const auto s = host_.find(fd);
    if (!s) return;
    s->incoming.clear();
    drop_all_descriptors(*s);
}

// As with the kernel, this is found out by connecting: a live listener gets a connection that ends at once.
simulated_sockets::occupant simulated_sockets::remove_stale(const address& at, socket_type type) noexcept {
    const not_failing machinery;
    if (!host_.files.contains(at.path())) return occupant::none;
    const int probe = open(AF_UNIX, type);
    if (probe < 0) return occupant::alive;
    const auto s = host_.find(probe);
    const int connected = s->is_datagram ? detail::connect_datagrams(host_.world, s, at)
                                         : begin_connect(host_.world, s, at, thread_);
    close(probe);
    if (connected != -ECONNREFUSED) return occupant::alive;
    host_.files.erase(at.path());
    return occupant::none;
}

int simulated_sockets::lock_directory_of(const std::string&) noexcept { return -1; }  // one runs at a time

void simulated_sockets::set_coming_mode(native_handle, int) noexcept {}
int simulated_sockets::set_mode(const address&, int) noexcept { return 0; }
std::string simulated_sockets::full_path(const address& at) { return at.path(); }
bight::detail::socket_file simulated_sockets::file_at(std::string path) noexcept { return {std::move(path)}; }
void simulated_sockets::remove(const bight::detail::socket_file& file) noexcept {
    host_.files.erase(file.path);
}
int simulated_sockets::open_reserve() noexcept { return open(AF_UNSPEC, socket_type::stream); }

}  // namespace bight::sim::detail
