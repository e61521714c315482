// demultiplexer: the interface to io_uring, epoll, kqueue, poll, select, iocp and wfmo.
#pragma once

#include "bulk_blocks.hpp"
#include "operation.hpp"
#include "pipe_pool.hpp"

#include "../core/event_port.hpp"
#include "../core/reactor_state.hpp"

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/core/platform_report.hpp>
#include <bight/core/reactor.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

class block_pool;
class change_feed;
class change_listener;
class socket_calls;

/// The contract is completion: an operation that was started ends exactly once, with a result, whether the
/// kernel completes operations itself (io_uring) or only reports readiness (the others try the
/// call first, and wait only on EAGAIN). All calls except `wake` come on the reactor's thread.
///
/// Cancelling is a request: an operation that succeeds before the request takes effect completes with its
/// result.
class demultiplexer : public event_port {
  public:
    /// Descriptors that are still attached are abandoned (descriptor::abandoned), closed, and become orphans
    /// (descriptor::demux is null).
    ~demultiplexer() override;

    /// Takes over d.fd, which becomes non-blocking. Throws std::system_error (select: for a descriptor of
    /// 1024 or more), and then leaves it unchanged.
    virtual void attach(descriptor& d) = 0;
    /// Removes d.fd, and closes it if `close_it`. Pending operations complete with -ECANCELED.
    virtual void detach(descriptor& d, bool close_it) noexcept = 0;

    /// True when the operation is done at once: the result is in `op`, and op.completed() will not be called.
    virtual bool start(operation& op) noexcept = 0;
    /// For an operation in flight. True when it ends at once: op.completed() will not be called. Otherwise it
    /// will be, with -ECANCELED, or with a result if one came first.
    virtual bool cancel(operation& op) noexcept = 0;
    /// Whether the owner of a descriptor may make a call itself while descriptor::may_read or may_write says
    /// that it may succeed, and start an operation only otherwise. True for demultiplexers that wait for
    /// readiness.
    bool tries_first() const noexcept { return blocks_ != nullptr; }
    /// The buffers for `receive`; only where tries_first(). They outlive the demultiplexer while chunks still
    /// hold them.
    block_pool* blocks() const noexcept { return blocks_; }
    /// Whether a read call of its owner would get the next bytes: none were received ahead, or will be.
    virtual bool reads_directly(const descriptor& d) const noexcept {
        (void)d;
        return tries_first();
    }
    /// The larger ones, for sockets from which data comes in bulk. They outlive it, too.
    bulk_blocks& blocks_for_bulk() noexcept { return bulk_; }
    pipe_pool& pipes() noexcept { return pipes_; }
    /// Only where tries_first(), and for the only receive or accept of its descriptor, when its call would
    /// block: has the same effect as a start that returned false. The caller has called d.keep().
    void park_read(operation& op, descriptor& d) noexcept {
        op.settled = op.cancel_asked = op.underway = false;
        op.in_flight = true;
        d.reading = &op;
        if (tracks_interest_) interest_changed(d);
    }

    /// The operation that park_read parked was queued, and its owner has made the call: it has completed.
    static void completed_read(descriptor& d) noexcept { d.reading = nullptr; }

    /// Where connections are accepted ahead of the operations (io_uring): stops that, for a listening
    /// descriptor without a pending operation, and points to those that no operation has taken, which may be
    /// taken from there. The next accept begins anew. False when the kernel has not stopped yet.
    virtual bool stop_accepting(descriptor& d, std::vector<int>*& ahead) noexcept {
        (void)d;
        (void)ahead;
        return true;
    }

    /// For an operation of kind poll_end, of which a descriptor has at most one, beside its reads and writes:
    /// completes it with 0 when the peer may have ended or the connection may have failed, at the latest when
    /// that happens after the call. The owner looks (socket_calls::peer_state) before, and afterwards. True
    /// when it is done at once, with -ENOMEM.
    bool watch_end(operation& op) noexcept;
    /// As cancel, for such an operation.
    bool cancel_watch(operation& op) noexcept;

    /// Called from the ready queue before completed(): false when the call would still block, and `op` waits
    /// again.
    virtual bool settle(operation& op) noexcept = 0;

    /// The error, as -errno, that the next read will get; 0 when none is known.
    virtual std::int64_t read_failure(const descriptor& d) const noexcept {
        (void)d;
        return 0;
    }
    /// Submits operations now, because the reactor's thread may be busy for a while.
    virtual void hand_over() noexcept {}

    /// Tries what it would do without if the kernel refused it, and says so. After enter_thread, and before
    /// anything is attached.
    virtual void add_features(std::vector<kernel_feature>& to) { (void)to; }

    /// Whether operations of kind prepared may be started.
    virtual bool takes_prepared() const noexcept { return false; }

    /// It watches only descriptors below this number; 0: any.
    virtual int watches_below() const noexcept { return 0; }
    /// The socket calls for its descriptors.
    virtual socket_calls& sockets() noexcept;

    /// Where the files of its operations are its own (a simulated host): tells what changes in them. Null
    /// elsewhere. Throws std::system_error.
    virtual std::unique_ptr<change_feed> follow_files(change_listener& to);

    /// Detaches and closes everything that is still attached.
    void stop_all() noexcept override;
    /// After `forked`: attaches all descriptors to `heir`, where their operations stay pending.
    virtual void hand_on(demultiplexer& heir) noexcept;
    /// See forked_child.cpp.
    std::unique_ptr<event_port> heir_in_child(reactor& home) override;
    figures count_all() const noexcept override {
        return {operations, lent_buffers() + bulk_.lent(), count()};
    }

    /// Every descriptor attached.
    const counted_list<descriptor>& descriptors() const noexcept { return descriptors_; }
    std::size_t count() const noexcept { return descriptors_.size(); }
    /// Whether an operation is pending; looks at each descriptor.
    bool has_pending() const noexcept override {
        if (without_descriptor_ > 0) return true;
        for (const descriptor& d : descriptors_) {
            if (d.reading || d.writing || d.ending) return true;
        }
        return false;
    }

    /// Operations started since it was made; counted by the code that starts them.
    std::uint64_t operations = 0;
    /// Receive buffers of the usual size that chunks hold.
    virtual std::size_t lent_buffers() const noexcept;
    const void* lender() const noexcept override { return blocks_; }

  protected:
    demultiplexer() noexcept = default;
    /// For demultiplexers that wait for readiness. `tracks_interest`: whether interest_changed is to be
    /// called.
    demultiplexer(block_pool& blocks, bool tracks_interest) noexcept
        : blocks_(&blocks), bulk_(&blocks), tracks_interest_(tracks_interest) {}
    /// Called when it may have changed whether an operation waits to read from or write to the descriptor.
    virtual void interest_changed(descriptor& d) noexcept { (void)d; }
    bool tracks_interest() const noexcept { return tracks_interest_; }
    /// Called when d.ending was set or cleared. False when memory is exhausted.
    virtual bool ending_changed(descriptor& d) noexcept {
        (void)d;
        return true;
    }
    /// Takes the operation that waits for the end of the peer, if there is one, with its result: it is to be
    /// queued.
    static operation* take_ending(descriptor& d, int result) noexcept;
    /// An operation without a descriptor has begun, or ended.
    void count_without_descriptor(int change) noexcept {
        without_descriptor_ += static_cast<std::size_t>(static_cast<std::ptrdiff_t>(change));
    }
    std::size_t without_descriptor() const noexcept { return without_descriptor_; }
    void list(descriptor& d) noexcept;
    void unlist(descriptor& d) noexcept;
    void orphan_all() noexcept;

  private:
    counted_list<descriptor> descriptors_;
    std::size_t without_descriptor_ = 0;  // pending operations
    block_pool* blocks_ = nullptr;
    bulk_blocks bulk_;
    pipe_pool pipes_;
    bool tracks_interest_ = false;
};

struct demultiplexer_choice {
    demultiplexer_kind kind;
    const char* name;
};
/// All of them, best first.
std::span<const demultiplexer_choice> demultiplexer_choices() noexcept;

/// Why a demultiplexer could not be made.
struct refusal {
    std::string text;
    std::error_code error;  ///< of the system call that failed, if one did
};

/// Make a demultiplexer, or return null and the reason in `why`.
std::unique_ptr<demultiplexer> make_uring(reactor& home, const reactor_options& options, refusal& why);
std::unique_ptr<demultiplexer> make_epoll(reactor& home, refusal& why);
std::unique_ptr<demultiplexer> make_kqueue(reactor& home, refusal& why);
std::unique_ptr<demultiplexer> make_poll(reactor& home, refusal& why);
std::unique_ptr<demultiplexer> make_select(reactor& home, refusal& why);
std::unique_ptr<demultiplexer> make_iocp(reactor& home, refusal& why);
std::unique_ptr<demultiplexer> make_wfmo(reactor& home, refusal& why);

/// What a reactor throws whose demultiplexer was named and cannot be had.
class refused_demultiplexer : public std::system_error {
  public:
    refused_demultiplexer(const std::string& what, refusal because);
    refusal why;
};

/// The demultiplexer of a reactor; every port is one.
inline demultiplexer& demultiplexer_of(reactor& r) noexcept {
    return static_cast<demultiplexer&>(reactor_state::port_of(r));
}

}  // namespace detail
}  // namespace bight
