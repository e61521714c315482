#include "socket_transport.hpp"

#include "option_values.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/direct_calls.hpp"
#include "../io/kernel_write.hpp"
#include "../io/pipe_read.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/reactor.hpp>

#include <cerrno>
#include <new>
#include <utility>

namespace bight::detail {

namespace {

// Temporary errors of this process or machine, which do not affect the connection.
bool passes(int number) noexcept {
    const int error = errno_of(number);
    return error == ENOMEM || error == ENOBUFS || error == EINTR || error == EAGAIN || error == EMSGSIZE ||
           error == EFAULT || error == EPERM;
}

// A write of one piece of at most so many bytes is tried in the short way.
constexpr std::size_t small_write = reactor::bytes_of_a_completion;

}  // namespace

socket_transport& socket_transport::make(reactor& home, int socket) {
    struct closed_on_error {
        socket_calls& calls;
        int fd;
        ~closed_on_error() {
            if (fd >= 0) calls.close(fd);
        }
    } guard{demultiplexer_of(home).sockets(), socket};
    auto* t = new socket_transport(home, socket);
    try {
        demultiplexer_of(home).attach(*t);
    } catch (...) {
        t->fd = -1;
        delete t;
        throw;
    }
    guard.fd = -1;
    if (t->tcp_) (void)t->set_no_delay(true);
    return *t;
}

socket_transport::socket_transport(reactor& home, int socket) : transport(home), receive_(*this) {
    fd = socket;
    never_waits = true;
    socket_calls& calls = demultiplexer_of(home).sockets();
    const address from = calls.peer(socket);
    const int family = from ? from.native_family() : calls.family(socket);  // it may be reset already
    tcp_ = family == AF_INET || family == AF_INET6;
    short_read_empties = tcp_;
    if (tcp_) tcp_peer_ = kept_address(from);
}

void socket_transport::unused() noexcept {
    if (!demux) {
        delete this;
        return;
    }
    if (reactor_state::in_forked_child(home()))
        return;  // the rings and the interest sets belong to the parent too
    retain();
    set_closed(errc::closed);
    demux->detach(*this, true);
    release();  // comes back here
}

bool socket_transport::start_connect(connect_operation& op, const address& to) noexcept {
    op.on = this;
    op.address = static_cast<const sockaddr*>(to.native());
    op.address_size = static_cast<socklen_t>(to.native_size());
    try {
        if (tcp_) tcp_peer_ = kept_address(to);
    } catch (const std::bad_alloc&) {  // the kernel is asked when it is wanted
    }
    end_ = -ENOTCONN;
    ++demux->operations;
    return demux->start(op);
}

bool socket_transport::cancel_connect(connect_operation& op) noexcept {
    return op.in_flight && demux && demux->cancel(op);
}

bool socket_transport::read(read_request& request) noexcept {
    if (end_ != 1 || !demux) [[unlikely]]
        return read_seldom(request);
    if (!request.into.data) [[likely]] {
        receive_.kind = operation_kind::receive;
    } else if (receive_.kind != operation_kind::receive_into) [[unlikely]] {
        return read_into_memory(request);
    }
    ++demux->operations;
    receive_.target = &request;
    if (!demux->tries_first() || may_read) return read_started(request);
    retain();
    demux->park_read(receive_, *this);
    return false;
}

// The next receive is of another kind than `receive`.
void socket_transport::receives_as(operation_kind kind) noexcept {
    if (receive_.kind == operation_kind::receive) has_read_ahead_ = true;
    receive_.kind = kind;
}

// After reads of other kinds. A separate function, so that the common path has no frame.
bool socket_transport::read_into_memory(read_request& request) noexcept {
    receives_as(operation_kind::receive_into);
    return read(request);
}

// A separate function, so that the common path stays short.
bool socket_transport::read_started(read_request& request) noexcept {
    if (!demux->start(receive_)) return false;
    if (receive_.result == 0 && must_wait_for_send()) [[unlikely]] {
        end_in_doubt_ = true;
        return false;
    }
    deliver_receive(request);
    reactor_access::spend_budget_for(home(), request.count);
    return true;
}

bool socket_transport::read_seldom(read_request& request) noexcept {
    return end_ == 2 && demux ? read_message(request) : read_nothing(request);
}

// The stream has ended or failed before, or its reactor has gone.
bool socket_transport::read_nothing(read_request& request) noexcept {
    request.count = 0;
    if (end_ < 0) request.set_error(system_error_code(-end_));
    if (end_ > 0) request.set_error(errc::closed);
    return true;
}

void socket_transport::deliver_receive(read_request& request) noexcept {
    if (receive_.result <= 0) {
        take_failure(request);
        return;
    }
    request.count = static_cast<std::size_t>(receive_.result);
}

// Delivers the end of the stream, or an error.
void socket_transport::take_failure(read_request& request) noexcept {
    const int result = static_cast<int>(receive_.result);
    request.count = 0;
    if (errno_of(-result) == ENOMEM && (is_open() || lingering_)) {  // no memory: nothing is lost
        request.set_error(system_error_code(ENOMEM));
    } else if (!is_open()) {
        request.set_error(why_closed());
    } else {
        end_ = result < 0 ? result : why_no_more();  // final, whatever the kernel says the next time
        if (end_ < 0) request.set_error(system_error_code(-end_));
    }
}

// A receive returned 0. The kernel reports an error of the connection only once, to the first call; later
// reads see an end that the peer never sent.
int socket_transport::why_no_more() noexcept {
    if (input_has_ended()) return 0;
    if (errno_of(write_error_) == EPIPE || (write_error_ == 0 && (end_said_ || !tcp_))) return 0;
    return write_error_ != 0 ? -write_error_ : -ECONNRESET;
}

// With io_uring the error may be in a send that has not completed yet.
bool socket_transport::must_wait_for_send() noexcept {
    return send_ && write_error_ == 0 && is_open() && !input_has_ended() && write_error_ == 0;
}

// Asks the kernel only once, because it reports an error of the connection only once, possibly here.
bool socket_transport::input_has_ended() noexcept {
    if (input_ended_ || peer_said_end) return true;
    const int known = calls().input_ended(fd);
    input_ended_ = known > 0;
    if (known < 0 && write_error_ == 0) write_error_ = -known;
    return input_ended_;
}

void socket_transport::received() noexcept {
    read_request* request = reader();
    if (!request) return;
    if (receive_.result == -ECANCELED && is_open()) {
        request->complete_cancelled();
    } else if (receive_.kind == operation_kind::poll_read && receive_.result == 0 && !is_open()) {
        request->count = 0;
        request->set_error(why_closed());
        request->complete_now();
    } else if (receive_.kind == operation_kind::poll_read && receive_.result == 0) {
        const bool may_be_old = receive_.believes_events && !receive_.cancel_asked;
        const auto known = may_be_old ? known_of_input::event : known_of_input::polled;
        if (go_on_filling(static_cast<pipe_read&>(*request), known)) request->complete_now();
    } else if (receive_.result == 0 && must_wait_for_send()) {
        end_in_doubt_ = true;
    } else {
        deliver_receive(*request);
        request->complete_now();
    }
}

// A fast version of the general path, for the most frequent case: a socket became ready, and something is
// there.
void socket_transport::receiving::run() noexcept {
    socket_transport& transport = transport_of(*this);
    demultiplexer* const demux = transport.demux;
    if (settled || kind != operation_kind::receive || !demux || !demux->tries_first()) {
        operation::run();
    } else {
        transport.retry_receive(*demux);
    }
}

inline void socket_transport::retry_receive(demultiplexer& by) noexcept {
    const std::ptrdiff_t got = receive_chunk(*this, *by.blocks(), reader()->data);
    if (got <= 0) [[unlikely]] {
        retry_failed(static_cast<int>(got));
        return;
    }
    demultiplexer::completed_read(*this);
    receive_.in_flight = false;
    reader()->complete_now();
    release();
}

void socket_transport::retry_failed(int result) noexcept {
    if (result == -EAGAIN && !receive_.cancel_asked) {
        demux->park_read(receive_, *this);
        return;
    }
    receive_.result = result == -EAGAIN ? -ECANCELED : result;
    demux->completed_read(*this);
    receive_.in_flight = false;
    received();
    release();
}

void socket_transport::cancel_read() noexcept {
    if (std::exchange(end_in_doubt_, false)) {
        reader()->complete_cancelled();  // the next read finds out why
    } else if (receive_.in_flight && demux ? demux->cancel(receive_) : cancel_message_read()) {
        reader()->complete_cancelled();
    }
}

bool socket_transport::write(write_request& request) noexcept {
    if (!demux) [[unlikely]] {
        request.set_error(errc::closed);
        return true;
    }
    ++demux->operations;
    std::ptrdiff_t sent = 0;
    if (demux->tries_first() && may_write && request.count == 1 && request.pieces->size <= small_write) {
        sent = send_piece(*this, *request.pieces);
        if (sent == static_cast<std::ptrdiff_t>(request.pieces->size)) [[likely]]
            return true;
    }
    return write_rest(request, sent);
}

// Continues after a first try that sent `sent` bytes, failed (last_socket_error), or was not made (0). A
// separate function, so that the try stays short.
bool socket_transport::write_rest(write_request& request, std::ptrdiff_t sent) noexcept {
    request.begun = sent > 0;
    if (sent > 0) {
        const_buffer& piece = *request.pieces;
        piece = const_buffer(static_cast<const char*>(piece.data) + sent,
                             piece.size - static_cast<std::size_t>(sent));
    } else if (sent < 0) {
        const int error = last_socket_error();
        if (error == EAGAIN) {
            may_write = false;
        } else if (error != EINTR) {
            fail_write(request, error);
            return true;
        }
    }
    if (!make_send(operation_kind::send)) {
        send_without_waiting(request);
        return true;
    }
    send_->pieces = request.pieces;
    send_->piece_count = request.count;
    const std::size_t size = size_of(request);
    if (!demux->start(*send_)) return false;
    reactor_access::spend_budget_for(home(), size);
    const std::unique_ptr<sending> done = std::move(send_);
    take_send(*done, request);
    return true;
}

// Without memory for an operation nothing can be waited for, but a socket mostly has room. A simulated one
// has no calls of its own.
void socket_transport::send_without_waiting(write_request& request) noexcept {
    if (&calls() != &kernel_sockets()) {
        fail_write(request, ENOMEM);
        return;
    }
    while (request.count > 0) {
        const_buffer& piece = *request.pieces;
        const std::ptrdiff_t sent = send_piece(*this, piece);
        if (sent < 0) {
            const int error = last_socket_error();
            if (error == EINTR) continue;
            fail_write(request, error == EAGAIN ? ENOMEM : error);
            return;
        }
        if (sent > 0) request.begun = true;
        const auto size = static_cast<std::size_t>(sent);
        piece = const_buffer(static_cast<const char*>(piece.data) + size, piece.size - size);
        if (piece.size > 0) continue;
        ++request.pieces;
        --request.count;
    }
}

// False when there is no memory for it.
bool socket_transport::make_send(operation_kind kind) noexcept {
    try {
        send_ = std::make_unique<sending>(*this);
    } catch (const std::bad_alloc&) {
        return false;
    }
    send_->kind = kind;
    return true;
}

// The error that the kernel has reported to a read and that has not been delivered yet; 0 when there is none.
int socket_transport::read_failure() const noexcept {
    const operation& receive = current_receive();
    if (receive.in_flight && receive.settled && receive.result < 0 && receive.result != -ECANCELED) {
        return static_cast<int>(receive.result);
    }
    return demux ? static_cast<int>(demux->read_failure(*this)) : 0;
}

// An error of the connection is permanent: later reads and writes get the same one.
void socket_transport::fail_write(write_request& request, int error) noexcept {
    if (passes(error)) {
        write_cut(request.begun);
    } else if (errno_of(error) == EPIPE && end_ < 0) {
        error = -end_;
    } else if (const int told = errno_of(error) == EPIPE ? read_failure() : 0; told < 0) {
        error = write_error_ = -told;
    } else if (write_error_ == 0) {
        write_error_ = error;
    } else {
        error = write_error_;
    }
    request.set_error(system_error_code(error));
}

void socket_transport::take_send(const sending& done, write_request& request) noexcept {
    if (done.begun) request.begun = true;
    if (done.result >= 0) return;
    if (!is_open()) {
        request.set_error(why_closed());
    } else {
        fail_write(request, done.error());
    }
}

void socket_transport::sent() noexcept {
    const std::unique_ptr<sending> done = std::move(send_);  // the next one may begin below
    if (write_request* const request = writer()) {
        if (done->result == -ECANCELED && is_open()) {
            if (done->begun) request->begun = true;
            request->complete_cancelled();
        } else if (done->kind == operation_kind::poll_write && done->result == 0 && !is_open()) {
            request->set_error(why_closed());
            request->complete_now();
        } else if (done->kind == operation_kind::poll_write && done->result == 0) {
            if (go_on_in_kernel(static_cast<kernel_write&>(*request), true)) {
                request->complete_now();
            } else if (done->cancel_asked) {  // it came too late for that wait, and not for the next
                cancel_write();
            }
        } else {
            take_send(*done, *request);
            request->complete_now();
        }
    }
    if (end_in_doubt_) [[unlikely]] {
        resolve_doubt();
    }
}

// No send is in progress any more that could tell what the end means.
void socket_transport::resolve_doubt() noexcept {
    end_in_doubt_ = false;
    read_request& read = *reader();
    take_failure(read);
    read.complete(read.error());
}

void socket_transport::cancel_write() noexcept {
    if (!send_ && demux) cancel_message_write();
    if (!send_ || !demux) return;
    if (!demux->cancel(*send_)) {
        send_->cancel_asked = true;  // also of a poll that is over, after which a splice may go on
        return;
    }
    write_request& request = *writer();
    if (send_->begun) request.begun = true;
    send_.reset();
    request.complete_cancelled();
    if (end_in_doubt_) resolve_doubt();
}

bool socket_transport::shutdown_write(end_request& request) noexcept {
    if (!demux) return true;
    const int result = calls().shutdown_write(fd);
    end_said_ = true;
    if (result < 0 && errno_of(-result) != ENOTCONN) request.set_error(system_error_code(-result));
    return true;
}

// The peer gets everything and then the end of the stream. Unread input would turn the end into a reset,
// which can destroy data on its way to the peer (RFC 1122, 4.2.2.13), so input is discarded until the peer
// ends too.
bool socket_transport::close(end_request&) noexcept {
    set_closed(errc::closed);
    if (!demux) return true;
    if (resets_on_close_) (void)set(socket_calls::option::abort_on_close, false);
    const int result = calls().shutdown_write(fd);
    end_said_ = true;
    if (result < 0 || end_ <= 0) {  // there is no peer to wait for any more
        detach_now(errc::closed);
        return true;
    }
    lingering_ = true;
    return true;
}

// One byte may be the end itself, which the peer's kernel acknowledges late. Data written to a Unix socket is
// at the peer at once.
bool socket_transport::delivered() const noexcept { return !demux || !tcp_ || calls().unsent(fd) <= 1; }

// Discards what the peer has sent since the last read, so that the end does not turn into a reset now.
void socket_transport::let_go() noexcept {
    lingering_ = false;
    if (reactor_state::in_forked_child(home())) {
        forget();
        return;
    }
    if (demux) calls().discard_input(fd);
    detach_now(errc::closed);
}

void socket_transport::forget() noexcept {
    close_what_was_not_taken();
    if (fd >= 0) calls().close(std::exchange(fd, -1));
    set_closed(errc::closed);
}

void socket_transport::push() noexcept {
    if (demux) demux->hand_over();
}

void socket_transport::abort(std::error_code reason) noexcept {
    if (!is_open()) return;
    if (demux && reactor_state::in_forked_child(home())) {
        forget();
        return;
    }
    const bool reset_before =
        end_ < 0 && errno_of(-end_) == ECONNRESET;  // nobody is there any more who could be told
    if (!reset_before) (void)set(socket_calls::option::abort_on_close, true);
    if (!reset_before && demux && tcp_) calls().reset(fd);  // even if others have a descriptor of it
    detach_now(reason ? reason : make_error_code(errc::aborted));
}

// `why` is for what is pending, unless it was closed before.
void socket_transport::detach_now(std::error_code why) noexcept {
    retain();
    set_closed(why);
    close_what_was_not_taken();
    if (demux) demux->detach(*this, true);
    if (end_in_doubt_) {
        end_in_doubt_ = false;
        reader()->complete(why_closed());
    }
    release();
}

address socket_transport::peer() const {
    if (const address kept = tcp_peer_.get()) return kept;
    return demux ? calls().peer(fd) : address();
}

address socket_transport::local() const { return demux ? calls().local(fd) : address(); }

std::error_code socket_transport::set_no_delay(bool on) noexcept {
    if (!tcp_) return {};
    return set(socket_calls::option::no_delay, on);
}

std::error_code socket_transport::set_keep_alive(bool on) noexcept {
    return set(socket_calls::option::keep_alive, on);
}

void socket_transport::set_options(const socket_options& options) {
    std::string whose;
    describe(whose);
    set_options(options, whose);
}

void socket_transport::set_options(const socket_options& options, const std::string& whose) {
    if (!demux) throw std::system_error(EBADF, errno_category(), "set options of " + whose);
    detail::set_options(calls(), fd, options, whose);
    if (options.reset_on_close) resets_on_close_ = *options.reset_on_close;
}

socket_options socket_transport::options() const {
    return demux ? options_of(calls(), fd) : socket_options();
}

std::error_code socket_transport::set(socket_calls::option which, bool on) const noexcept {
    const int result = demux ? calls().set(fd, which, on) : -EBADF;
    return result < 0 ? system_error_code(-result) : std::error_code();
}

std::size_t socket_transport::unwritten() const noexcept {
    if (!send_) return sends_message() ? transport::unwritten() : 0;
    if (send_->kind == operation_kind::poll_write) return static_cast<const kernel_write&>(*writer()).left;
    std::size_t left = 0;
    for (std::size_t i = 0; i < send_->piece_count; ++i) left += send_->pieces[i].size;
    return left;
}

std::size_t socket_transport::room() const noexcept { return demux ? calls().room(fd) : 0; }

bool socket_transport::receive_for(const transport& to) noexcept {
    receive_size& size = descriptor::receiving;
    if (!size.bulk()) return false;
    size.limit_next(to.room());
    return size.next() < size.step();
}

void socket_transport::describe(std::string& out) const {
    const address from = peer();
    if (from || fd >= 0) {
        out += (from ? from : local()).to_string();
        out += fd < 0 ? " (closed)" : " (fd " + std::to_string(fd) + ")";
    } else {
        out += "a closed connection";
    }
}

}  // namespace bight::detail
