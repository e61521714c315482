// uring: the io_uring demultiplexer.
#pragma once

#include "block_pool.hpp"
#include "blocking_calls.hpp"
#include "demultiplexer.hpp"
#include "file_operation.hpp"
#include "prepared_operation.hpp"
#include "ring_state.hpp"
#include "tried_calls.hpp"
#include "uring_buffers.hpp"
#include "waker.hpp"

#include <liburing.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace bight::detail {

/// One ring for the reactor's thread, without a lock (IORING_SETUP_SINGLE_ISSUER). Completions are processed
/// when this thread asks for them (DEFER_TASKRUN), and the submissions of a turn enter the kernel together
/// with the wait. Receives into the reactor's buffers and accepts are multishot: armed once, they complete
/// repeatedly.
///
/// Socket operations must never run on the kernel's worker threads: a request that the kernel has tried and
/// polled in vain too often gets a worker, which would mean a thread for each connection. So a send uses
/// MSG_DONTWAIT, and waits in a separate poll, which a cancel can always end.
///
/// Lifetimes: a descriptor is kept (descriptor::keep) from the arming of a multishot to its completion
/// without IORING_CQE_F_MORE, and from the start of an operation to its completion. A cancel is queued behind
/// the operation that it cancels and before any reuse of the same object, so that a late cancel finds nothing
/// rather than the wrong operation.
class uring final : public demultiplexer {
  public:
    /// When `error` (-errno) is set, the object is unusable and must be destroyed; `step` names the call that
    /// failed.
    uring(reactor& home, const reactor_options& options, int& error, const char*& step);
    ~uring() override;

    std::string_view name() const noexcept override { return "io_uring"; }
    /// Made when it is first asked for.
    int pollable() const noexcept override;
    int ring_descriptor() const noexcept { return ring_.ring_fd; }
    bool idle() const noexcept override {
        return in_kernel_ == 0 && multishots_ == 0 && without_descriptor() == 0;
    }
    bool worth_polling() const noexcept override;
    bool has_unsubmitted() const noexcept override { return io_uring_sq_ready(&ring_) > 0; }
    std::int64_t read_failure(const descriptor& d) const noexcept override {
        return d.ring && d.ring->has_end && d.ring->end < 0 ? d.ring->end : 0;
    }
    bool reads_directly(const descriptor& d) const noexcept override {
        return !d.ring || (!d.ring->armed && d.ring->count == 0 && !d.ring->has_end);
    }
    void hand_over() noexcept override {
        if (enabled_ && has_unsubmitted()) submit();
    }
    std::size_t lent_buffers() const noexcept override {
        return (buffers_ ? buffers_->lent() : 0) + (own_blocks_ ? own_blocks_->lent() : 0);
    }
    void enter_thread() override;
    const void* lender() const noexcept override { return buffers_; }

    void attach(descriptor& d) override {
        if (d.wakes_host) [[unlikely]]
            watch_for_host(d);
        d.is_non_blocking = d.was_blocking = false;
        list(d);
    }
    void detach(descriptor& d, bool close_it) noexcept override;
    bool start(operation& op) noexcept override;
    bool cancel(operation& op) noexcept override;
    bool settle(operation&) noexcept override { return true; }
    bool stop_accepting(descriptor& d, std::vector<int>*& ahead) noexcept override;
    void wait(duration limit) override;
    void wake() noexcept override;
    void forked() noexcept override;
    bool takes_prepared() const noexcept override { return true; }
    void add_features(std::vector<kernel_feature>& to) override;

    /// Whether multishot receives may use the byte limit of Linux 6.17 and later; tests set it to false.
    static inline bool uses_receive_cap = true;

  private:
    void unmake() noexcept;

    // Submission (uring.cpp)
    io_uring_sqe& entry() noexcept;
    io_uring_sqe& entry_for(operation& op) noexcept;
    int submit() noexcept;
    void submit_all_of(int fd) noexcept;
    void submit_cancel(std::uint64_t user_data) noexcept;
    bool hand_over(operation& op) noexcept;
    void submit_send(send_operation& op) noexcept;
    attempt try_call_of(operation& op) noexcept;
    void submit_receive(operation& op, mutable_buffer into) noexcept;
    // Files (uring_files.cpp)
    bool start_file(file_operation& op) noexcept;
    bool start_on_thread(file_operation& op) noexcept;
    void take_from_threads() noexcept;
    void submit_file(file_operation& op) noexcept;
    void file_done(file_operation& op, int result) noexcept;
    // Operations that users prepare (uring_prepared.cpp)
    void submit_prepared(prepared_operation& op) noexcept;
    void prepared_done(prepared_operation& op, const io_uring_cqe& cqe) noexcept;

    bool make_host_set(int event) const noexcept;
    void watch_for_host(const descriptor& d) const;
    void arm_wake() noexcept;
    void probe_receive_cap() noexcept;
    /// Whether this thread may enter the kernel: on others the registered number of the ring is invalid.
    bool may_enter() const noexcept { return enabled_ && thread_ == std::this_thread::get_id(); }

    // Completion (uring.cpp)
    void reap() noexcept;
    void dispatch(const io_uring_cqe& cqe) noexcept;
    void operation_done(operation& op, int result) noexcept;
    void send_done(send_operation& op, int result) noexcept;
    void finish(operation& op, std::int64_t result) noexcept;
    void settle_now(operation& op, std::int64_t result) noexcept;
    void end_line(operation*& first) noexcept;
    bool begin(operation& op) noexcept;

    // Polls (uring_polls.cpp)
    void submit_read_poll(operation& op, bool edges = false) noexcept;
    void submit_room_poll(operation& op, bool edges) noexcept;
    void room_polled(operation& op, int result, bool more) noexcept;
    void datagrams_polled(operation& op, int result, bool more) noexcept;
    bool ending_changed(descriptor& d) noexcept override;
    void end_polled(descriptor& d, int result) noexcept;

    // Receives by a plain call (uring_plain_receives.cpp)
    bool take_in_bulk(operation& op) noexcept;
    block_pool::block* own_block() noexcept;
    bool take_into_own(receive_operation& op) noexcept;
    void receive_polled(receive_operation& op, int result) noexcept;

    // Multishot receives and accepts (uring_multishot.cpp)
    ring_state* state_of(descriptor& d) noexcept;
    void arm_receive(descriptor& d) noexcept;
    static void prepare_receive(io_uring_sqe& sqe, int fd, unsigned most) noexcept;
    bool arm_accept(descriptor& d) noexcept;
    void armed(descriptor& d, io_uring_sqe& sqe) noexcept;
    void stop_multishot(descriptor& d) noexcept;
    void multishot_cancelled(descriptor& d, int result) noexcept;
    void multishot_done(descriptor& d, const io_uring_cqe& cqe) noexcept;
    void received(descriptor& d, const io_uring_cqe& cqe) noexcept;
    bool moved_behind(uring_buffers::slot& last, uring_buffers::slot& s) noexcept;
    void ended_with(descriptor& d, int result) noexcept;
    void accepted(descriptor& d, int fd) noexcept;
    bool take_arrived(operation& op) noexcept;
    bool take_from_ring(receive_operation& op, ring_state& state) noexcept;
    void drop_arrived(descriptor& d) noexcept;

    reactor& home_;
    io_uring ring_{};
    uring_buffers* buffers_ = nullptr;
    block_pool* own_blocks_ = nullptr;  // for plain receives of the small size; made when one is needed
    waker waker_;
    std::unique_ptr<blocking_calls> calls_;  // for what the kernel has no operation; made when first needed
    std::uint64_t in_kernel_ = 0;            // operations and cancels that have not completed
    std::uint64_t multishots_ = 0;           // armed now
    std::thread::id thread_;
    bool made_ = false;
    bool enabled_ = false;
    bool wake_armed_ = false;
    bool receive_cap_ = false;  // the kernel ends a multishot receive after a number of bytes
    static constexpr int never_asked = -1;
    mutable std::atomic<int> host_event_{never_asked};  // an eventfd of the ring, for a host loop; less: none
    mutable int host_set_ = -1;                         // an epoll instance with it, and what wakes_host
};

/// What is submitted to the kernel for an operation that writes or waits to write; for a receive, a call or
/// edges; for an operation that a user has prepared, the four of that name.
enum uring_stage : std::uint8_t {
    stage_call,            ///< the call
    stage_repeated_call,   ///< again, after a poll that ended with an error
    stage_poll,            ///< a poll
    stage_edges,           ///< a poll that completes at each change
    stage_ending_edges,    ///< the same, cancelled because a write would not block any more
    stage_prepared,        ///< completes once
    stage_prepared_twice,  ///< completes again when the kernel has finished with its memory
    stage_prepared_ends,   ///< a multishot that has completed: it is cancelled
    stage_prepared_lent,   ///< has completed, and the kernel still uses its memory
    stage_on_thread,       ///< a file operation that a thread of bight's carries out
};

/// Tags in the low bits of user_data, which are free in an address.
enum uring_tag : std::uint64_t {
    tag_operation = 0,
    tag_multishot = 1,
    tag_wake = 2,
    tag_cancel = 3,
    tag_multishot_cancel = 4,  // of that descriptor's
    tag_receive_cap = 5,       // the probe
    tag_end = 6,               // the poll for the end of that descriptor's peer
    tag_mask = 7
};

inline std::uint64_t tagged(const void* p, uring_tag tag) noexcept {
    return reinterpret_cast<std::uintptr_t>(p) | tag;
}

}  // namespace bight::detail
