#include "uring.hpp"

#include "descriptor_calls.hpp"
#include "time_limit.hpp"
#include "tool_annotations.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/error.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// The kernel's worker threads are for file calls, which block briefly. One that hangs must not cause an
// unlimited number of others.
constexpr unsigned most_workers = 4;

// Under valgrind: a poll of the ring is not always woken by what one of the kernel's workers has completed
// (seen with Linux 6.18).
constexpr std::chrono::milliseconds longest_poll{10};

// Completions beyond this many wait in the kernel's heap. Each takes 16 bytes of locked memory.
constexpr unsigned fewest_completions = 4096;

// Nobody takes the events of the epoll instance for a host loop, which only polls it: they are levels.
int add_for_host(int set, int fd) noexcept {
    epoll_event readable{};
    readable.events = EPOLLIN;
    return ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &readable);
}

// A connect of a Unix socket ends at once, unless the listener's backlog is full: then io_uring would wait on
// a worker thread, while the plain call returns EAGAIN.
int connect_unix(const connect_operation& op) noexcept {
    const int flags = ::fcntl(op.on->fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK)) ::fcntl(op.on->fd, F_SETFL, flags | O_NONBLOCK);
    return ::connect(op.on->fd, op.address, op.address_size) < 0 ? -errno : 0;
}

// Kept in the demultiplexer_space of a send.
struct sending {
    msghdr* message;    // what the kernel reads at submission, if there is more than one piece
    std::size_t asked;  // the bytes that the submission named
};

msghdr* make_message(sending& of) noexcept {
    if (of.message) return of.message;
    try {
        of.message = new (allocate_frame(sizeof(msghdr))) msghdr{};
    } catch (const std::bad_alloc&) {  // then one piece at a time
    }
    return of.message;
}

void drop_message(sending& of) noexcept {
    if (of.message) free_frame(of.message, sizeof(msghdr));
    of.message = nullptr;
}

void noticed(void* bytes, int result) noexcept {
    kernel_has_written(bytes, result);
    socket_has_received(result);
}

}  // namespace

uring::uring(reactor& home, const reactor_options& options, int& error, const char*& step) : home_(home) {
    step = "io_uring_setup";
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
    params.cq_entries = std::max(options.submission_entries * 4, fewest_completions);
    error = io_uring_queue_init_params(options.submission_entries, &ring_, &params);
    if (error != 0) return;
    made_ = true;
    kernel_has_written(ring_.sq.ring_ptr, static_cast<std::int64_t>(ring_.sq.ring_sz));
    io_uring_ring_dontfork(&ring_);  // otherwise a child would write into its parent's queues
    // A filter may refuse one call and not the others. EBADFD is the answer of a ring that is not enabled
    // yet.
    step = "io_uring_enter";
    error = io_uring_enter(static_cast<unsigned>(ring_.ring_fd), 0, 0, 0, nullptr);
    if (error != -EBADFD) {
        if (error >= 0) error = -ENOSYS;
        return;
    }
    step = "io_uring_register (a ring of provided buffers)";
    buffers_ = uring_buffers::make(ring_, options.receive_buffers, error);
    blocks_for_bulk().belongs_to(buffers_);
}

uring::~uring() {
    for (descriptor& d : descriptors()) drop_arrived(d);
    orphan_all();
    if (made_) unmake();  // not in a forked child, which has no queues
    if (host_event_ >= 0) ::close(host_event_);
    if (host_set_ >= 0) ::close(host_set_);
    // Memory into which the kernel may still write is leaked. This happens only when a reactor with pending
    // operations is destroyed on another thread.
    if (buffers_ && idle()) buffers_->let_go();
    if (own_blocks_) own_blocks_->let_go();
}

// As io_uring_queue_exit, but through the C library, where sanitizers notice it: they would take the memory
// of a later ring, at the same address, for that of this one.
void uring::unmake() noexcept {
    const io_uring_sq& sq = ring_.sq;
    const io_uring_cq& cq = ring_.cq;
    if (ring_.enter_ring_fd != ring_.ring_fd) io_uring_unregister_ring_fd(&ring_);
    ::munmap(sq.sqes, sq.ring_entries * sizeof(io_uring_sqe));
    if (cq.ring_ptr != sq.ring_ptr) ::munmap(cq.ring_ptr, cq.ring_sz);
    ::munmap(sq.ring_ptr, sq.ring_sz);
    ::close(ring_.ring_fd);
}

// Otherwise the child would keep the parent's ring open, and with it the sockets on which the ring listens.
void uring::forked() noexcept {
    waker_.forget();
    if (const int event = host_event_.exchange(never_asked); event >= 0) ::close(event);
    if (const int set = std::exchange(host_set_, -1); set >= 0) ::close(set);
    if (std::exchange(made_, false)) ::close(ring_.ring_fd);
}

void uring::enter_thread() {
    const auto here = std::this_thread::get_id();
    if (enabled_) {
        if (thread_ == here) return;
        throw std::system_error(errc::wrong_thread,
                                "an io_uring reactor runs on the thread that ran it first, and on no other");
    }
    // io_uring_enable_rings is declared by liburing 2.3, but not exported.
    if (::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) < 0) {
        throw std::system_error(errno, std::system_category(), "io_uring_register (enable rings)");
    }
    enabled_ = true;
    thread_ = here;
    io_uring_register_ring_fd(&ring_);  // saves a table look-up in each system call; optional
    unsigned workers[2] = {most_workers, most_workers};
    io_uring_register_iowq_max_workers(&ring_, workers);  // optional too
    arm_wake();
    if (uses_receive_cap) probe_receive_cap();
}

// Linux 6.17 and later end a multishot receive after `optlen` bytes, a field that shares its place with
// file_index; earlier versions refuse any value there. This can be probed without a socket.
void uring::probe_receive_cap() noexcept {
    io_uring_sqe& sqe = entry();
    prepare_receive(sqe, -1, 2);
    sqe.user_data = tag_receive_cap;
    ++in_kernel_;
    submit();  // completes here, so that the first receive knows the result
    reap();
}

void uring::add_features(std::vector<kernel_feature>& to) {
    to.push_back({"multishot_limit", "6.17", receive_cap_,
                  "each receive of an io_uring reactor is a request of its own"});
}

void uring::detach(descriptor& d, bool close_it) noexcept {
    bool with_kernel = made_ && d.ring && d.ring->armed;
    if (with_kernel && !d.ring->stopping) stop_multishot(d);
    with_kernel |= made_ && ((d.reading && d.reading->underway) || (d.writing && d.writing->underway));
    if (made_) {
        end_line(d.reading);
        end_line(d.writing);
    }
    if (operation* const op = take_ending(d, -ECANCELED)) detail::reactor_access::schedule(home_, *op);
    if (made_ && d.ring && d.ring->end_polled) {
        submit_cancel(tagged(&d, tag_end));
        with_kernel = true;
    }
    drop_arrived(d);
    const int fd = d.fd;
    d.fd = -1;
    unlist(d);
    // Submit before the close, because queued entries name the descriptor by its number, which may be reused
    // afterwards. Also, requests in the kernel keep the socket open until their cancellation has been carried
    // out: this happens now, so that the peer is told at once, and a listener's address becomes free.
    if (with_kernel && may_enter()) {
        submit_all_of(fd);
        io_uring_get_events(&ring_);
    }
    if (d.wakes_host && host_set_ >= 0) [[unlikely]]
        ::epoll_ctl(host_set_, EPOLL_CTL_DEL, fd, nullptr);
    if (d.was_blocking) set_blocking(fd);
    if (close_it) ::close(fd);
}

// Only the first operation can be in the kernel; those behind it end with it. Submitting a cancel may find
// the queue full, and so take completions, among them that of the operation itself.
void uring::end_line(operation*& first) noexcept {
    if (!first) return;
    operation* op = std::exchange(first->behind, nullptr);
    first->cancel_asked = true;
    if (first->underway) {
        submit_cancel(tagged(first, tag_operation));
    } else {
        finish(*first, -ECANCELED);
    }
    while (op) settle_now(*std::exchange(op, std::exchange(op->behind, nullptr)), -ECANCELED);
}

bool uring::start(operation& op) noexcept {
    op.settled = op.cancel_asked = op.underway = false;
    op.stage = stage_call;
    if (!op.on) {
        if (op.kind != operation_kind::prepared) return start_file(static_cast<file_operation&>(op));
        op.in_flight = true;
        count_without_descriptor(1);
        submit_prepared(static_cast<prepared_operation&>(op));
        return false;
    }
    if (op.kind == operation_kind::send) static_cast<send_operation&>(op).space.make<sending>();
    if (reads(op.kind) && op.on->ring && !op.on->reading && (take_arrived(op) || take_in_bulk(op)))
        return true;
    if (is_tried_call(op.kind) && !place_of(op) && try_call_of(op) == attempt::done) return true;
    if (op.kind == operation_kind::connect) {
        const auto& connect = static_cast<connect_operation&>(op);
        if (connect.address->sa_family == AF_UNIX) {
            op.result = connect_unix(connect);
            return true;
        }
    }
    descriptor& d = *op.on;
    d.keep();
    op.in_flight = true;
    if (!join_line(op) || hand_over(op)) return false;
    leave_line(op);
    op.in_flight = false;
    op.result = -ENOMEM;
    d.drop();
    return true;
}

bool uring::cancel(operation& op) noexcept {
    if (op.settled) return false;
    op.cancel_asked = true;
    if (op.underway) {
        submit_cancel(tagged(&op, tag_operation));
        return false;
    }
    if (!op.on) {
        if (op.stage != stage_on_thread) return false;  // it is being prepared
        if (!calls_->cancel(static_cast<file_operation&>(op))) return false;
        op.in_flight = false;
        count_without_descriptor(-1);
        return true;
    }
    leave_line(op);  // it waits for its turn, or for a multishot, whose completions stay for the next one
    op.in_flight = false;
    op.on->drop();
    return true;
}

// What happens is only noted for this thread (DEFER_TASKRUN): who polls the ring itself is not woken by it,
// but an eventfd that is registered with the ring is written to. At first it is readable: something may have
// been noted before. When one eventfd is written to, the kernel does not write to another in the same call
// but later, and some kernels (6.18) do so once only: so what such a write may make ready stands beside it.
int uring::pollable() const noexcept {
    if (host_event_.load(std::memory_order_relaxed) == never_asked && made_) {
        const int event = ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        // Without descriptors for it now it is tried again when it is asked for the next time.
        if (event < 0) return -1;
        if (!make_host_set(event)) {
            ::close(event);
            return -1;
        }
        const bool registered =
            ::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_EVENTFD, &event, 1) == 0;
        if (!registered) {
            ::close(event);
            if (host_set_ >= 0) ::close(std::exchange(host_set_, -1));
        }
        // Release: what wakes on another thread writes to a descriptor that it knows is made.
        host_event_.store(registered ? event : never_asked - 1, std::memory_order_release);
    }
    if (host_set_ >= 0) return host_set_;
    const int event = host_event_.load(std::memory_order_relaxed);
    return event >= 0 ? event : ring_.ring_fd;
}

// False when there are no descriptors, or no memory, now. Where epoll is refused, nothing wakes_host.
bool uring::make_host_set(int event) const noexcept {
    host_set_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (host_set_ < 0) return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
    bool all = add_for_host(host_set_, event) == 0;
    for (const descriptor& d : descriptors()) {
        if (d.wakes_host) all = all && add_for_host(host_set_, d.fd) == 0;
    }
    if (!all) ::close(std::exchange(host_set_, -1));
    return all;
}

void uring::watch_for_host(const descriptor& d) const {
    if (host_set_ >= 0 && add_for_host(host_set_, d.fd) < 0) {
        throw std::system_error(errno, std::system_category(), "epoll_ctl on fd " + std::to_string(d.fd));
    }
}

// The kernel does not reliably write to one eventfd while it handles a write to another.
void uring::wake() noexcept {
    const int before = errno;
    waker_.wake();
    const std::uint64_t one = 1;
    if (const int event = host_event_.load(std::memory_order_acquire); event >= 0) {
        (void)!::write(event, &one, sizeof one);
    }
    errno = before;
}

void uring::wait(duration limit) {
    int error = 0;
    if (const int event = host_event_.load(std::memory_order_relaxed); event >= 0) [[unlikely]] {
        std::uint64_t noted = 0;
        (void)!::read(event, &noted, sizeof noted);
    }
    buffers_->take_back();
    if (limit <= duration::zero() || io_uring_cq_ready(&ring_) > 0) {
        error = io_uring_submit_and_get_events(&ring_);
    } else if (enter_must_not_wait()) {
        error = io_uring_submit_and_get_events(&ring_);
        if (io_uring_cq_ready(&ring_) == 0) {
            pollfd ring{ring_.ring_fd, POLLIN, 0};
            const timespec t = to_timespec(std::min<duration>(limit, longest_poll));
            (void)::ppoll(&ring, 1, &t, nullptr);
            if (error >= 0) error = io_uring_get_events(&ring_);
        }
    } else if (limit == duration::max()) {
        error = io_uring_submit_and_wait(&ring_, 1);
    } else {
        const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(limit).count();
        __kernel_timespec t{};
        t.tv_sec = ns / 1'000'000'000;
        t.tv_nsec = ns % 1'000'000'000;
        io_uring_cqe* first = nullptr;
        error = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &t, nullptr);
    }
    reap();
    // EBUSY and EAGAIN mean that completions must be taken first, which reap has done; the rest is submitted
    // in the next turn.
    if (error < 0 && error != -ETIME && error != -EINTR && error != -EBUSY && error != -EAGAIN) {
        throw std::system_error(-error, std::system_category(), "io_uring_enter");
    }
}

bool uring::worth_polling() const noexcept {
    return io_uring_sq_ready(&ring_) > 0 || io_uring_cq_ready(&ring_) > 0 ||
           (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

// Submission

// Submits all queued entries. Entries that the kernel refuses for lack of memory and that name `fd`, which is
// about to be reused, get an invalid descriptor instead, and complete with EBADF.
void uring::submit_all_of(int fd) noexcept {
    for (int i = 0; i < 3 && io_uring_sq_ready(&ring_) > 0; ++i) submit();
    const unsigned left = io_uring_sq_ready(&ring_);
    for (unsigned i = 0; i < left; ++i) {
        io_uring_sqe& sqe = ring_.sq.sqes[(ring_.sq.sqe_tail - 1 - i) & *ring_.sq.kring_mask];
        if (sqe.fd == fd) sqe.fd = -1;
    }
}

// Never fails: a full queue is submitted to the kernel, which empties it, so that a cancel always finds room.
// The kernel accepts nothing from another thread than the ring's (the error depends on how liburing names the
// ring), and nothing before the first run.
io_uring_sqe& uring::entry() noexcept {
    for (;;) {
        if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_)) return *sqe;
        if (may_enter()) {
            submit();
        } else {
            std::fputs(
                "bight: more streams of an io_uring reactor are dropped on another thread than it can "
                "note: drop them on its own thread, while it runs\n",
                stderr);
            std::abort();
        }
    }
}

io_uring_sqe& uring::entry_for(operation& op) noexcept {
    op.underway = true;
    ++in_kernel_;
    return entry();
}

int uring::submit() noexcept {
    const int error = io_uring_submit(&ring_);
    if (error == -EBUSY || error == -EAGAIN) {
        io_uring_get_events(&ring_);
        reap();
    }
    return error;
}

void uring::submit_cancel(std::uint64_t user_data) noexcept {
    io_uring_sqe& sqe = entry();
    io_uring_prep_cancel64(&sqe, user_data, 0);
    sqe.user_data = tag_cancel;
    ++in_kernel_;
}

// A multishot poll: each wake completes it again, so the eventfd need not be read.
void uring::arm_wake() noexcept {
    io_uring_sqe& sqe = entry();
    io_uring_prep_poll_multishot(&sqe, waker_.descriptor(), POLLIN);
    sqe.user_data = tag_wake;
    wake_armed_ = true;
}

// Submits `op` to the kernel; false when memory is exhausted.
bool uring::hand_over(operation& op) noexcept {
    descriptor& d = *op.on;
    switch (op.kind) {
        case operation_kind::receive:
        case operation_kind::receive_into:
        case operation_kind::accept: {
            ring_state* state = state_of(d);
            if (!state) return false;
            if (state->armed) return true;  // its completions are for this operation
            if (op.kind == operation_kind::accept) return arm_accept(d);
            if (op.kind == operation_kind::receive_into) {
                submit_receive(op, static_cast<receive_operation&>(op).target->into);
            } else if (state->starved || (d.receiving.bulk() && blocks_for_bulk().has_room())) {
                submit_read_poll(op);
            } else {
                arm_receive(d);
            }
            return true;
        }
        case operation_kind::send: submit_send(static_cast<send_operation&>(op)); return true;
        case operation_kind::connect: {
            io_uring_sqe& sqe = entry_for(op);
            const auto& to = static_cast<connect_operation&>(op);
            kernel_will_read(to.address, to.address_size);
            socket_will_connect();
            io_uring_prep_connect(&sqe, d.fd, to.address, to.address_size);
            sqe.user_data = tagged(&op, tag_operation);
            return true;
        }
        case operation_kind::poll_read:
            if (d.ring && d.ring->armed) return true;  // it would take the data before the poll saw it
            break;
        default: break;
    }
    // An operation whose call is tried waits in a poll.
    if (reads(op.kind)) {
        submit_read_poll(op);
    } else {
        submit_room_poll(op, op.kind == operation_kind::poll_write && op.tried_in_vain);
    }
    return true;
}

// Makes the descriptor non-blocking first: otherwise io_uring would use a worker thread for some pipes and
// terminals. The calls of a stream say by themselves that they do not wait.
attempt uring::try_call_of(operation& op) noexcept {
    descriptor& d = *op.on;
    if (!d.is_non_blocking && !d.never_waits) {
        const int blocking = is_blocking(d.fd);
        const int error = blocking > 0 ? set_non_blocking(d.fd) : blocking;
        if (error < 0) {
            op.result = error;
            return attempt::done;
        }
        d.was_blocking = blocking > 0;
        d.is_non_blocking = true;
    }
    const bool sends = op.kind == operation_kind::send_message || op.kind == operation_kind::send_datagrams;
    const bool receives =
        op.kind == operation_kind::receive_message || op.kind == operation_kind::receive_datagrams;
    if (sends) socket_will_send();
    const attempt made = try_call(op);
    if (receives && made == attempt::done) socket_has_received(op.result);
    return made;
}

// It completes at once, with the bytes that the socket takes or with EAGAIN. Pieces that are not submitted,
// because there are too many or memory is exhausted, follow when the first ones have been sent.
void uring::submit_send(send_operation& op) noexcept {
    constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    op.advance(0);  // pieces of no bytes
    sending& own = op.space.as<sending>();
    const sendable next = next_to_send(op, transfer_budget);
    socket_will_send();
    io_uring_sqe& sqe = entry_for(op);
    if (next.count > 1 && make_message(own)) {
        for (std::size_t i = 0; i < next.count; ++i) kernel_will_read(op.pieces[i].data, op.pieces[i].size);
        own.message->msg_iov = reinterpret_cast<iovec*>(op.pieces);
        own.message->msg_iovlen = next.count;
        own.asked = next.size;
        io_uring_prep_sendmsg(&sqe, op.on->fd, own.message, flags);
    } else {
        const const_buffer piece = op.piece_count > 0 ? *op.pieces : const_buffer();
        own.asked = std::min(piece.size, transfer_budget);
        kernel_will_read(piece.data, own.asked);
        io_uring_prep_send(&sqe, op.on->fd, piece.data, own.asked, flags);
    }
    sqe.user_data = tagged(&op, tag_operation);
}

void uring::submit_receive(operation& op, mutable_buffer into) noexcept {
    io_uring_sqe& sqe = entry_for(op);
    const std::size_t most = std::min(into.size, transfer_budget);
    kernel_will_write(into.data, most);
    io_uring_prep_recv(&sqe, op.on->fd, into.data, most, 0);
    sqe.user_data = tagged(&op, tag_operation);
}

// Completion

// The only place where completions are taken. Each is removed from the queue before it is handled, because
// handling may submit, and a full submission queue leads back here.
void uring::reap() noexcept {
    unsigned head = *ring_.cq.khead;
    while (head != io_uring_smp_load_acquire(ring_.cq.ktail)) {
        const io_uring_cqe& place = ring_.cq.cqes[head & *ring_.cq.kring_mask];
        io_uring_cqe cqe{};
        cqe.user_data = place.user_data;
        cqe.res = place.res;
        cqe.flags = place.flags;
        io_uring_cq_advance(&ring_, 1);
        dispatch(cqe);
        head = *ring_.cq.khead;
    }
    if (!wake_armed_) arm_wake();
}

void uring::dispatch(const io_uring_cqe& cqe) noexcept {
    switch (cqe.user_data & tag_mask) {
        case tag_operation: {
            operation& op = *reinterpret_cast<operation*>(cqe.user_data);
            const bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
            if (!more) --in_kernel_;
            if (op.stage >= stage_prepared) {
                prepared_done(static_cast<prepared_operation&>(op), cqe);
            } else if (op.stage >= stage_poll) {
                room_polled(op, cqe.res, more);
            } else {
                operation_done(op, cqe.res);
            }
            break;
        }
        case tag_multishot:
            multishot_done(*reinterpret_cast<descriptor*>(cqe.user_data - tag_multishot), cqe);
            break;
        case tag_wake:
            if (!(cqe.flags & IORING_CQE_F_MORE)) wake_armed_ = false;
            if (waker_.fills_up()) waker_.drain();
            take_from_threads();
            break;
        case tag_multishot_cancel:
            --in_kernel_;
            multishot_cancelled(*reinterpret_cast<descriptor*>(cqe.user_data - tag_multishot_cancel),
                                cqe.res);
            break;
        case tag_end:
            --in_kernel_;
            end_polled(*reinterpret_cast<descriptor*>(cqe.user_data - tag_end), cqe.res);
            break;
        case tag_receive_cap:
            --in_kernel_;
            receive_cap_ = cqe.res == -EBADF;
            break;
        default: --in_kernel_; break;  // the operation's own completion shows the effect of the cancel
    }
}

void uring::operation_done(operation& op, int result) noexcept {
    op.underway = false;
    if (!op.on) {
        file_done(static_cast<file_operation&>(op), result);
        return;
    }
    // The call may have been made in vain, because the descriptor was detached; and a cancelled worker thread
    // of the kernel reports EINTR.
    const bool given_up = op.on->fd < 0 || op.cancel_asked;
    if (result == -EINTR || (result < 0 && op.on->fd < 0)) {
        if (!given_up && op.kind != operation_kind::connect) {
            if (!hand_over(op)) finish(op, -ENOMEM);
            return;
        }
        if (given_up) result = -ECANCELED;
    }
    switch (op.kind) {
        case operation_kind::receive: receive_polled(static_cast<receive_operation&>(op), result); return;
        case operation_kind::receive_into:
            noticed(static_cast<receive_operation&>(op).target->into.data, result);
            break;
        case operation_kind::send: send_done(static_cast<send_operation&>(op), result); return;
        case operation_kind::poll_read:
            if (result > 0) result = (result & POLLNVAL) ? -EBADF : 0;
            break;
        default:
            if (!is_tried_call(op.kind) || result < 0) break;
            if (try_call_of(op) == attempt::done) {
                finish(op, op.result);
            } else if (op.cancel_asked) {
                finish(op, -ECANCELED);
            } else {
                submit_read_poll(op, op.kind == operation_kind::receive_datagrams);
            }
            return;
    }
    finish(op, result);
}

void uring::send_done(send_operation& op, int result) noexcept {
    if (result < 0 && result != -EAGAIN) {
        finish(op, result);
        return;
    }
    const std::size_t sent = result > 0 ? static_cast<std::size_t>(result) : 0;
    op.advance(sent);
    if (op.piece_count == 0) {
        finish(op, 0);
    } else if (op.cancel_asked) {
        finish(op, -ECANCELED);
    } else if (sent == op.space.as<sending>().asked) {  // there may be room for more: in the next turn
        op.stage = stage_call;
        submit_send(op);
    } else {
        submit_room_poll(op, sent == 0 && op.stage == stage_repeated_call);
    }
}

// The first operation in its line has ended: the next ones have their turn.
void uring::finish(operation& op, std::int64_t result) noexcept {
    leave_line(op);
    operation*& first = place_of(op);
    if (op.kind == operation_kind::send) drop_message(static_cast<send_operation&>(op).space.as<sending>());
    settle_now(op, result);
    while (first && !begin(*first)) {
    }
}

// Submits the operation that is now first. False when it has ended at once.
bool uring::begin(operation& op) noexcept {
    descriptor& d = *op.on;
    if (d.fd < 0 || op.underway) return true;
    if (reads(op.kind) && d.ring && take_arrived(op)) {
        // The poll has reported a failed accept: the next accept asks the kernel again.
        if (op.kind == operation_kind::poll_read && d.ring->listening) d.ring->has_end = false;
    } else if (hand_over(op)) {
        return true;
    } else {
        op.result = -ENOMEM;
    }
    leave_line(op);
    settle_now(op, op.result);
    return false;
}

void uring::settle_now(operation& op, std::int64_t result) noexcept {
    op.result = result;
    op.settled = true;
    detail::reactor_access::schedule(home_, op);
}

static std::string locked_memory() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return "out of memory";
    return "where this is not the machine's memory, it is the limit of locked memory, " +
           std::to_string(limit.rlim_cur / 1024) +
           " KiB for all programs of this user, and a reactor asks for about 120 KiB: raise it (ulimit -l, "
           "LimitMEMLOCK= of systemd), or make fewer reactors, or smaller ones (reactor_options)";
}

// Explains an error for the log.
static std::string explain(int error, const char* step) {
    std::string text = std::string(step) + ": " + std::strerror(error);
    if (error == ENOMEM) return text + " (" + locked_memory() + ")";
    if (error == EINVAL) return text + " (it needs Linux 6.1 or later)";
    if (error == ENOSYS)
        return text + " (a kernel without io_uring, or a seccomp filter as container runtimes install)";
    if (error == EPERM || error == EACCES) {
        int disabled = 0;
        if (std::FILE* f = std::fopen("/proc/sys/kernel/io_uring_disabled", "re")) {
            if (std::fscanf(f, "%d", &disabled) != 1) disabled = 0;
            std::fclose(f);
        }
        if (disabled != 0) return text + " (kernel.io_uring_disabled is " + std::to_string(disabled) + ")";
        return text + " (a seccomp filter, as container runtimes install, or a security module)";
    }
    return text;
}

std::unique_ptr<demultiplexer> make_uring(reactor& home, const reactor_options& options, refusal& why) {
    int error = 0;
    const char* step = "";
    try {
        auto made = std::make_unique<uring>(home, options, error, step);
        if (error == 0) return made;
        why = {explain(-error, step), {-error, std::system_category()}};
    } catch (const std::system_error& e) {
        why = {e.what(), e.code()};
    }
    return nullptr;
}

}  // namespace bight::detail
