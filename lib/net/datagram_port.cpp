#include "datagram_port.hpp"

#include "descriptor_control.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"
#include "../demux/datagram_control.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/datagram_socket.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

using namespace std::chrono_literals;

constexpr auto first_wait_for_room = 1ms;
constexpr auto longest_wait_for_room = 64ms;

// A send is made so many times before it believes that an error is its own.
constexpr unsigned most_sends = 4;

// What the network, rather than this machine, says of datagrams (ICMP): Linux and the BSDs tell it to the
// next call on a socket that has a peer. EMSGSIZE: a router on the way takes only shorter ones.
bool comes_from_network(int error) noexcept {
    switch (errno_of(error)) {
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTUNREACH:
#if defined(EHOSTDOWN)
        case EHOSTDOWN:
#endif
#if defined(ENONET)
        case ENONET:
#endif
        case ENETUNREACH:
        case ENOPROTOOPT:
        case EOPNOTSUPP:
        case EPROTO:
        case EACCES:
        case EMSGSIZE: return true;
        default: return false;
    }
}

// What one of several counts for, in bytes of a large transfer: eight small ones are as much as one result
// that was awaited alone.
constexpr std::size_t cost_of(std::size_t bytes) noexcept {
    return std::max(bytes, reactor::bytes_of_a_completion / 8);
}

// An empty std::string, or a vector that has only reserved room, is a mistake that nobody would notice.
bool has_memory(const datagram_slot* slots, std::size_t count) noexcept {
    return std::all_of(slots, slots + count, [](const datagram_slot& s) { return s.memory.size > 0; });
}

bool is_full(int error) noexcept { return error == EAGAIN || errno_of(error) == ENOBUFS; }

bool is_any(const address& a) noexcept {
    if (a.native_family() == AF_INET) {
        sockaddr_in native{};
        std::memcpy(&native, a.native(), sizeof native);
        return native.sin_addr.s_addr == INADDR_ANY;
    }
    if (a.native_family() == AF_INET6) {
        sockaddr_in6 native{};
        std::memcpy(&native, a.native(), sizeof native);
        return IN6_IS_ADDR_UNSPECIFIED(&native.sin6_addr) != 0;
    }
    return false;
}

}  // namespace

datagram_port& datagram_port::make(reactor& home, native_handle fd, bool has_peer, bool reads_control,
                                   socket_file file) {
    socket_calls& calls = demultiplexer_of(home).sockets();
    datagram_port* made = nullptr;
    try {
        made = new datagram_port(home, fd, has_peer, reads_control, std::move(file));
        demultiplexer_of(home).attach(*made);
    } catch (...) {
        if (made) {
            made->remove_file();
            made->fd = invalid_handle;
        } else if (file) {
            calls.remove(file);
        }
        calls.close(fd);
        delete made;
        throw;
    }
    return *made;
}

datagram_port::datagram_port(reactor& home, native_handle socket, bool has_peer, bool reads_control,
                             socket_file file) noexcept
    : home_(home),
      calls_(demultiplexer_of(home).sockets()),
      file_(std::move(file)),
      bound_(calls_.local(socket)),
      made_in_(this_process()),
      family_(calls_.family(socket)),
      has_peer_(has_peer),
      can_segment_(calls_.can_segment(socket)) {
    fd = socket;
    receive_.on = this;
    if (reads_control) receive_.control_room = control_room_for(family_);
    receive_.to = is_any(bound_) ? nullptr : &bound_;
    receive_.port = bound_.port();
    receive_.few_are_all = !has_peer;
    send_.on = this;
    send_.family = family_;
}

datagram_port::~datagram_port() = default;

bool datagram_port::passes_descriptors() const noexcept {
    return descriptor_control::offered() && family_ == AF_UNIX;
}

std::size_t datagram_port::room_beside_descriptors() noexcept {
    if (&calls_ != &kernel_sockets()) return 0;
    const bool tells_sender = receive_.control_room > 0;
    if (!std::exchange(descriptors_come_alone_, true)) descriptor_control::come_alone(fd, tells_sender);
    return receive_.control_room;
}

void datagram_port::describe(std::string& out) const {
    const address here = local();
    out += here      ? here.to_string()
           : fd >= 0 ? "a datagram_socket without an address"
                     : "a closed datagram_socket";
}

// In a forked child the file belongs to the parent.
void datagram_port::remove_file() noexcept {
    if (file_ && made_in_ == this_process()) calls_.remove(file_);
    file_ = {};
}

// See listening_socket::abandoned.
void datagram_port::abandoned() noexcept {
    if (&calls_ == &kernel_sockets()) remove_file();
}

void datagram_port::close() noexcept {
    if (!demux) return;  // the reactor has gone, and has closed the socket
    remove_file();
    demux->detach(*this, true);
    if (armed()) reactor_access::disarm(home_, *this);
    end_all(without_room_);  // there is no operation whose end could tell them
}

// Receiving

bool datagram_port::start(receive_datagrams_awaiter& waiting) noexcept {
    if (!demux) {
        waiting.error_ = errc::closed;
        return true;
    }
    if (waiting.slot_count_ == 0) return true;
    if (!has_memory(waiting.slots_, std::min(waiting.slot_count_, most_datagrams_of_a_call))) {
        waiting.error_ = system_error_code(EINVAL);
        waiting.why_ = "memory of 0 bytes would lose a datagram";
        return true;
    }
    if (receivers_.empty()) {
        if (tell_error(waiting)) return true;
        prepare(waiting);
        ++demux->operations;
        if (demux->start(receive_)) {
            answer(waiting);
            return true;
        }
    }
    receivers_.push_back(waiting);
    return false;
}

void datagram_port::prepare(const receive_datagrams_awaiter& for_this) noexcept {
    receive_.slots = for_this.slots_;
    receive_.slot_count = for_this.slot_count_;
    receive_.along = for_this.along_;
}

void datagram_port::answer(receive_datagrams_awaiter& waiting) noexcept {
    if (receive_.result < 0) {
        waiting.error_ = demux ? system_error_code(receive_.error()) : make_error_code(errc::closed);
        return;
    }
    waiting.filled_ = static_cast<std::size_t>(receive_.result);
    if (receive_.later_error != 0) kept_error_ = system_error_code(receive_.later_error);
    std::size_t cost = 0;
    for (std::size_t i = 0; i < waiting.filled_; ++i) cost += cost_of(receive_.slots[i].got.size);
    reactor_access::spend_budget_for(home_, cost);
}

bool datagram_port::tell_error(receive_datagrams_awaiter& waiting) noexcept {
    if (!kept_error_) return false;
    waiting.error_ = std::exchange(kept_error_, {});
    return true;
}

// The first receiver has left the queue: the next ones have their turn.
void datagram_port::serve_receivers() noexcept {
    while (receive_datagrams_awaiter* const next = receivers_.front()) {
        if (!demux) {
            next->error_ = errc::closed;
        } else if (!tell_error(*next)) {
            prepare(*next);
            ++demux->operations;
            if (!demux->start(receive_)) return;
            answer(*next);
        }
        receivers_.pop_front();
        next->ready();
    }
}

void datagram_port::received() noexcept {
    receive_datagrams_awaiter& first = *receivers_.pop_front();
    const std::error_code to_tell = std::exchange(first.error_, {});
    const bool ended = receive_.result == -ECANCELED && demux;
    if (ended && first.cancel_asked_) {
        pass_on(to_tell);
        serve_receivers();
        first.confirm_cancel();
        return;
    }
    if (ended && to_tell) {
        first.error_ = to_tell;
    } else {
        answer(first);
        pass_on(to_tell);
    }
    serve_receivers();
    first.ready_now().resume();
}

void datagram_port::cancel(receive_datagrams_awaiter& waiting) noexcept {
    waiting.cancel_asked_ = true;
    if (&waiting != receivers_.front()) {
        receivers_.remove(waiting);
    } else {
        if (!demux || !demux->cancel(receive_)) return;
        receivers_.pop_front();
        pass_on(std::exchange(waiting.error_, {}));
        serve_receivers();
    }
    waiting.confirm_cancel();
}

// Who waits for a datagram is told now, each of one error. The first ends its operation for that, and has the
// error in `error_` until then; the others have none.
void datagram_port::keep_for_receivers(std::error_code error) noexcept {
    receive_datagrams_awaiter* to = receivers_.front();
    while (to && (to->error_ || to->cancel_asked_)) to = receivers_.next(*to);
    if (!to) {
        kept_error_ = error;
        return;
    }
    to->error_ = error;
    const bool is_first = to == receivers_.front();
    if (is_first && !demux->cancel(receive_)) return;
    receivers_.remove(*to);
    to->ready();
    if (is_first) serve_receivers();
}

// Of one that had something else to tell.
void datagram_port::pass_on(std::error_code error) noexcept {
    if (!kept_error_) kept_error_ = error;
}

// Sending

// What can be told without the kernel, which says it differently on each system.
int datagram_port::fault_of_destination(const address* to) const noexcept {
    if (!to) return has_peer_ ? 0 : EDESTADDRREQ;
    if (has_peer_) return EISCONN;
    if (to->native_family() != family_) return EAFNOSUPPORT;
    return family_ != AF_UNIX && to->port() == 0 ? EINVAL : 0;
}

int datagram_port::fault_of(const outgoing_datagram& wanted) const noexcept {
    if (const int fault = fault_of_destination(wanted.to ? &wanted.to : nullptr)) return fault;
    if (wanted.segment_size > 0 && !can_segment_) return EOPNOTSUPP;
    if (family_ == AF_UNIX && (wanted.from || wanted.interface_index != 0 || wanted.traffic_class))
        return EOPNOTSUPP;
    return wanted.from && wanted.from.native_family() != family_ ? EAFNOSUPPORT : 0;
}

bool datagram_port::start(send_datagrams_awaiter& waiting) noexcept {
    if (!demux) {
        waiting.error_ = errc::closed;
        return true;
    }
    if (waiting.count_ == 0) return true;
    const step next = senders_.empty() ? begin(waiting) : step::underway;
    if (next == step::over) return true;
    if (next == step::without_room) {
        stand_aside(waiting);
    } else {
        senders_.push_back(waiting);
    }
    return false;
}

// Whether somebody waits until that receiver, or the peer, has room.
bool datagram_port::waits_for_room(const address* at) const noexcept {
    for (const send_datagrams_awaiter& w : without_room_) {
        const address* const to = w.destination();
        if (at && to ? *at == *to : at == to) return true;
    }
    return false;
}

// Makes the operation that of what is still to be sent: up to what cannot be sent. 0, or an error number of
// the first one.
int datagram_port::prepare(const send_datagrams_awaiter& with) noexcept {
    send_.may_wait = with.sent_ == 0 && (family_ != AF_UNIX || has_peer_);
    send_.pieces = with.pieces_;
    send_.piece_count = with.piece_count_;
    send_.to = with.to_;
    send_.along = with.along_;
    send_.datagrams = nullptr;
    if (!with.datagrams_) return fault_of_destination(with.to_);
    send_.datagrams = with.datagrams_ + with.sent_;
    const std::size_t left = with.count_ - with.sent_;
    const std::size_t most = has_peer_ ? 1 : std::min(left, most_datagrams_of_a_call);
    int fault = 0;
    send_.count = 0;
    while (send_.count < most && fault == 0) {
        const outgoing_datagram& next = send_.datagrams[send_.count];
        if (send_.count > 0 && waits_for_room(next.to ? &next.to : nullptr)) break;
        fault = fault_of(next);
        if (fault == 0) ++send_.count;
    }
    return send_.count > 0 ? 0 : fault;
}

// Datagrams to one receiver stay in order: it begins behind those that wait for the same one.
datagram_port::step datagram_port::begin(send_datagrams_awaiter& with) noexcept {
    return waits_for_room(with.destination()) ? step::without_room : go_on(with);
}

datagram_port::step datagram_port::go_on(send_datagrams_awaiter& with) noexcept {
    for (;;) {
        if (const int fault = prepare(with)) {
            if (with.sent_ == 0) with.error_ = std::error_code(fault, errno_category());
            return step::over;
        }
        ++demux->operations;
        if (!demux->start(send_)) return step::underway;
        if (const step next = answer(with); next != step::again) return next;
    }
}

// By the result of the send.
datagram_port::step datagram_port::answer(send_datagrams_awaiter& waiting) noexcept {
    int error = send_.error();
    if (error == 0) {
        const auto taken = static_cast<std::size_t>(send_.result);
        waiting.sent_ += taken;
        if (waiting.waited_for_room_) pause_ = {};
        std::size_t cost = 0;
        for (std::size_t i = 0; send_.datagrams && i < taken; ++i)
            cost += cost_of(send_.datagrams[i].bytes.size);
        reactor_access::spend_budget_for(home_, cost);
        end_tries();
        const bool all = waiting.sent_ == waiting.count_ || waiting.sent_ == most_datagrams_of_a_call;
        return all || !has_peer_ || !demux ? step::over : step::again;
    }
    // What Linux says from the second time on that the peer is not there any more.
    if (family_ == AF_UNIX && has_peer_ && errno_of(error) == ENOTCONN) error = ECONNREFUSED;
    if (!demux) {
        if (waiting.sent_ == 0) waiting.error_ = errc::closed;
    } else if (waiting.along_ && &calls_ == &kernel_sockets() && descriptor_control::is_refusal(error)) {
        waiting.error_ = system_error_code(error);
        waiting.why_ = "the system takes no more descriptors at once (net.core.optmem_max)";
    } else if (waiting.sent_ > 0 && is_full(error)) {
        // It waits for nothing, having sent something.
    } else if (family_ == AF_UNIX && is_full(error)) {
        return step::without_room;
    } else if (try_again(error)) {
        return step::again;
    } else {
        if (waiting.sent_ == 0) waiting.error_ = system_error_code(error);
        if (found_ == error) found_ = 0;
    }
    end_tries();
    return step::over;
}

// An error that the next try does not meet was one of an earlier datagram. That a datagram is refused is
// never told to its own send.
bool datagram_port::try_again(int error) noexcept {
    if (found_ != 0 && found_ != error) keep_for_receivers(system_error_code(std::exchange(found_, 0)));
    if (!has_peer_ || family_ == AF_UNIX || !comes_from_network(error)) return false;
    const bool own = found_ == error && errno_of(error) != ECONNREFUSED;
    if (own || ++tries_ == most_sends) return false;
    found_ = error;
    return true;
}

void datagram_port::end_tries() noexcept {
    tries_ = 0;
    if (const int error = std::exchange(found_, 0); error != 0 && demux)
        keep_for_receivers(system_error_code(error));
}

// Kernels do not report when the receiver has room again.
void datagram_port::stand_aside(send_datagrams_awaiter& waiting) noexcept {
    const bool again = std::exchange(waiting.waited_for_room_, true) && pause_ > 0ms;
    waiting.waits_for_room_ = true;
    without_room_.push_back(waiting);
    if (armed()) return;
    pause_ = again ? std::min(2 * pause_, longest_wait_for_room) : first_wait_for_room;
    reactor_access::arm(home_, *this, saturating_add(home_.now(), pause_));
}

void datagram_port::serve_senders() noexcept {
    while (send_datagrams_awaiter* const next = senders_.front()) {
        if (!demux) {
            end_all(senders_);
            return;
        }
        const step done = begin(*next);
        if (done == step::underway) return;
        senders_.pop_front();
        if (done == step::without_room) {
            stand_aside(*next);
        } else {
            next->ready();
        }
    }
}

void datagram_port::end_all(intrusive_list<send_datagrams_awaiter>& waiting) noexcept {
    while (send_datagrams_awaiter* const next = waiting.pop_front()) {
        next->waits_for_room_ = false;
        next->error_ = errc::closed;
        next->ready();
    }
}

void datagram_port::sent() noexcept {
    send_datagrams_awaiter& first = *senders_.front();
    const bool ended = send_.result == -ECANCELED && demux;
    step next = ended ? step::over : answer(first);
    if (next == step::again && !first.cancel_asked_) next = go_on(first);
    if (next == step::underway) return;
    senders_.pop_front();
    if (next == step::without_room && !first.cancel_asked_) {
        stand_aside(first);
        serve_senders();
        return;
    }
    end_tries();
    serve_senders();
    if (first.error_ || first.sent_ > 0) {
        first.ready_now().resume();
    } else {
        first.confirm_cancel();
    }
}

// They have asked before those that stand in the queue; the first of these may have begun, and goes
// elsewhere.
void datagram_port::expired() noexcept {
    if (!demux) {
        end_all(without_room_);
        return;
    }
    send_datagrams_awaiter* const begun = senders_.front();
    send_datagrams_awaiter* const place = begun ? senders_.next(*begun) : nullptr;
    while (send_datagrams_awaiter* const w = without_room_.pop_front()) {
        w->waits_for_room_ = false;
        senders_.insert(place, *w);
    }
    if (!begun) serve_senders();
}

void datagram_port::cancel(send_datagrams_awaiter& waiting) noexcept {
    waiting.cancel_asked_ = true;
    if (waiting.waits_for_room_) {
        without_room_.remove(waiting);
        if (without_room_.empty()) reactor_access::disarm(home_, *this);
    } else if (&waiting != senders_.front()) {
        senders_.remove(waiting);
    } else {
        if (!demux || !demux->cancel(send_)) return;
        senders_.pop_front();
        end_tries();
        serve_senders();
        if (waiting.sent_ > 0) {
            waiting.ready();
            return;
        }
    }
    waiting.confirm_cancel();
}

// The awaiters

datagram_awaiter::~datagram_awaiter() {
    if (kept_) on_->release();
}

bool datagram_awaiter::keep_port(const promise_base& p) noexcept {
    if (!on_ || &p.owner().home() != &on_->home()) [[unlikely]] {
        error_ = on_ ? make_error_code(errc::wrong_thread) : no_connection();
        return false;
    }
    if (!std::exchange(kept_, true)) on_->retain();
    return true;
}

void datagram_awaiter::throw_error(const char* what, const address* to) const {
    const bool sends_to_nobody = !to && error_ == std::errc::destination_address_required;
    std::string text = sends_to_nobody ? "send from " : what;
    if (error_ == errc::wrong_thread) {  // nothing of the port may be looked at
        text +=
            "a datagram_socket of another reactor: it is for the tasks of its own one, where "
            "bight::on(reactor, f) runs one";
        throw std::system_error(error_, text);
    }
    if (to) {
        text += to->to_string();
        text += " from ";
    } else if (on_ && on_->peer()) {
        text += on_->peer().to_string();
        text += " from ";
    }
    if (on_) {
        on_->describe(text);
    } else {
        text += "an empty datagram_socket, which was closed, moved from, or never opened";
    }
    if (why_) {
        text += std::string(": ") + why_;
    } else if (sends_to_nobody) {
        text += ": it has no peer; send_to says to whom, or connect makes a socket that has one";
    } else if (to && to->native_family() != AF_UNIX && to->port() == 0) {
        text += ": port 0 is nobody's";
    } else if (to && to->native_family() == AF_INET && error_ == std::errc::permission_denied) {
        text += ": a broadcast needs datagram_options::broadcast";
    }
    throw std::system_error(error_, text);
}

bool receive_datagrams_awaiter::suspend(promise_base& p, datagram_slot* slots, std::size_t count) noexcept {
    if (p.owner().cancel_requested()) {
        begin(p);
        return true;
    }
    slots_ = slots;
    slot_count_ = count;
    if (!keep_port(p) || on_->start(*this)) return finish_at_once(p);
    begin_regardless(p);
    return true;
}

void receive_datagrams_awaiter::cancel() noexcept { on_->cancel(*this); }

void receive_datagrams_awaiter::describe(std::string& out) const {
    out += "a datagram at ";
    on_->describe(out);
}

bool send_datagrams_awaiter::suspend_pieces(promise_base& p, const address* to, const const_buffer* pieces,
                                            std::size_t count) noexcept {
    to_ = to;
    pieces_ = pieces;
    piece_count_ = count;
    return suspend(p);
}

bool send_datagrams_awaiter::suspend_datagrams(promise_base& p, const outgoing_datagram* datagrams,
                                               std::size_t count) noexcept {
    datagrams_ = datagrams;
    count_ = count;
    return suspend(p);
}

bool send_datagrams_awaiter::suspend(promise_base& p) noexcept {
    if (p.owner().cancel_requested()) {
        begin(p);
        return true;
    }
    if (!keep_port(p) || on_->start(*this)) return finish_at_once(p);
    begin_regardless(p);
    return true;
}

const address* send_datagrams_awaiter::destination() const noexcept {
    if (!datagrams_) return to_;
    return sent_ < count_ && datagrams_[sent_].to ? &datagrams_[sent_].to : nullptr;
}

void send_datagrams_awaiter::cancel() noexcept { on_->cancel(*this); }

void send_datagrams_awaiter::describe(std::string& out) const {
    out += "sending a datagram from ";
    on_->describe(out);
}

}  // namespace bight::detail
