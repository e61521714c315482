// The one interface between the runtime and the kernel's ways to wait.
#pragma once

#include "operation.hpp"

#include <bight/core/reactor.hpp>
#include <bight/core/timer.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace bight::detail {

class block_pool;
class socket_calls;

/// Completion is the contract: an operation that was started ends exactly once, with a result, whether the
/// kernel completes operations itself (io_uring) or only says when a call would not block (epoll, poll,
/// select: those try the call first, and wait only on EAGAIN). All calls but `wake` come on the reactor's
/// thread.
///
/// Cancelling is a request. When an operation succeeded before the request came through, it completes with
/// its result.
class demultiplexer {
  public:
    demultiplexer(const demultiplexer&) = delete;
    demultiplexer& operator=(const demultiplexer&) = delete;
    /// Descriptors that are still attached are closed and become orphans (descriptor::demux is null).
    virtual ~demultiplexer();

    virtual std::string_view name() const noexcept = 0;

    /// Takes over d.fd: it is non-blocking from here on. Throws std::system_error (select: a descriptor of
    /// 1024 or more), and then leaves it as it was.
    virtual void attach(descriptor& d) = 0;
    /// Forgets d.fd, and closes it when `close_it`. What is pending completes with -ECANCELED.
    virtual void detach(descriptor& d, bool close_it) noexcept = 0;

    /// True when it is done at once: the result is in `op`, and op.completed() will not be called.
    virtual bool start(operation& op) noexcept = 0;
    /// For one that is in flight. True when it is gone at once: op.completed() will not be called. Else it
    /// will, with -ECANCELED, or with a result if one came first.
    virtual bool cancel(operation& op) noexcept = 0;
    /// Whether the owner of a descriptor may make the call itself while descriptor::may_read or may_write
    /// says that it may succeed, and let `op` wait otherwise: true where readiness is waited for.
    bool tries_first() const noexcept { return blocks_ != nullptr; }
    /// Only where tries_first(): the buffers for `receive`. They outlive the demultiplexer while chunks still
    /// hold them.
    block_pool* blocks() const noexcept { return blocks_; }
    /// Only where tries_first(), and for a receive or an accept that is the only one: the call would block.
    /// Like a start that gave false; the caller has called d.keep().
    void park_read(operation& op, descriptor& d) noexcept {
        op.settled = op.cancel_asked = op.underway = false;
        op.in_flight = true;
        d.reading = &op;
        if (tracks_interest_) interest_changed(d);
    }

    /// What park_read parked was queued, and its call was made by its owner: it has completed.
    static void completed_read(descriptor& d) noexcept { d.reading = nullptr; }

    /// Called from the ready queue before completed(): false when the call would still block, and `op` waits
    /// again.
    virtual bool settle(operation& op) noexcept = 0;

    /// Hands what was started to the kernel, waits until something completes but at most `limit` (max(): for
    /// ever, zero: not at all), and queues what did. EINTR is a return without completions.
    virtual void wait(duration limit) = 0;
    /// True when wait(0) has something to do, as far as can be told without entering the kernel.
    virtual bool worth_polling() const noexcept { return true; }

    /// True when something was started that only the next wait hands to the kernel.
    virtual bool has_unsubmitted() const noexcept { return false; }
    /// The error, as -errno, that is there for whoever reads next; 0 when none is known.
    virtual std::int64_t read_failure(const descriptor& d) const noexcept {
        (void)d;
        return 0;
    }
    /// Hands it over now: the reactor's thread may be busy for a while.
    virtual void hand_over() noexcept {}

    /// Whether it is one of a simulated host: what it waits for comes from there.
    virtual bool simulated() const noexcept { return false; }
    /// When the next thing happens that is known to; max() for the kernel's, which know nothing.
    virtual time_point next_event() const noexcept { return time_point::max(); }
    /// The socket calls that belong to its descriptors.
    virtual socket_calls& sockets() noexcept;

    /// Makes a sleeping wait return. Thread: any, and signal handlers.
    virtual void wake() noexcept = 0;

    /// The reactor is about to run on this thread. Throws std::system_error (errc::wrong_thread) when it
    /// cannot.
    virtual void enter_thread() {}
    /// A descriptor that polls readable when wait(0) has something to do, or -1.
    virtual int pollable() const noexcept { return -1; }
    /// The reactor is about to go: detaches and closes everything that is still attached. What is pending
    /// completes with -ECANCELED, in the turns that follow.
    virtual void stop_all() noexcept;
    /// In a forked child: closes what this has of the kernel's, which is the parent's, and touches nothing
    /// else. From then on it is good for being destroyed, or for hand_on.
    virtual void forked() noexcept {}
    /// After that: all that is attached here is attached to `heir`, and pending there.
    virtual void hand_on(demultiplexer& heir) noexcept;
    /// False while the kernel still holds something of an operation or of a descriptor.
    virtual bool idle() const noexcept { return true; }

    /// Every descriptor attached.
    descriptor* first() const noexcept { return first_; }
    std::size_t count() const noexcept { return count_; }
    /// Whether an operation is pending; looks at each descriptor.
    bool has_pending() const noexcept {
        if (without_descriptor_ > 0) return true;
        for (const descriptor* d = first_; d; d = d->next) {
            if (d->reading || d->writing) return true;
        }
        return false;
    }

    /// Operations asked for since it was made; for whoever asks to count.
    std::uint64_t operations = 0;
    /// Receive buffers that chunks hold.
    virtual std::size_t lent_buffers() const noexcept;
    /// Who lends them: see lender_here.
    virtual const void* lender() const noexcept { return blocks_; }

  protected:
    demultiplexer() noexcept = default;
    /// For those that wait for readiness. `tracks_interest`: interest_changed is to be called.
    demultiplexer(block_pool& blocks, bool tracks_interest) noexcept
        : blocks_(&blocks), tracks_interest_(tracks_interest) {}
    /// Whether something waits to read from or to write to the descriptor may have changed.
    virtual void interest_changed(descriptor& d) noexcept { (void)d; }
    bool tracks_interest() const noexcept { return tracks_interest_; }
    /// An operation without a descriptor has begun, or ended.
    void count_without_descriptor(int change) noexcept {
        without_descriptor_ += static_cast<std::size_t>(static_cast<std::ptrdiff_t>(change));
    }
    std::size_t without_descriptor() const noexcept { return without_descriptor_; }
    void list(descriptor& d) noexcept;
    void unlist(descriptor& d) noexcept;
    void orphan_all() noexcept;

  private:
    descriptor* first_ = nullptr;
    std::size_t count_ = 0;
    std::size_t without_descriptor_ = 0;  // pending operations
    block_pool* blocks_ = nullptr;
    bool tracks_interest_ = false;
};

/// One that can be had here, or a null pointer and the reason in `why`.
std::unique_ptr<demultiplexer> make_uring(reactor& home, const reactor_options& options, std::string& why);
std::unique_ptr<demultiplexer> make_epoll(reactor& home, std::string& why);
std::unique_ptr<demultiplexer> make_poll(reactor& home, std::string& why);
std::unique_ptr<demultiplexer> make_select(reactor& home, std::string& why);
/// In a forked child, in place of `parents`, which was told so (demultiplexer::forked): see forked_child.cpp.
std::unique_ptr<demultiplexer> make_forked_child(reactor& home, demultiplexer& parents);

/// Chooses: `options`, else BIGHT_REACTOR, else the best that works. `why` says which better ones were
/// refused.
std::unique_ptr<demultiplexer> choose_demultiplexer(reactor& home, const reactor_options& options,
                                                    std::string& why);

}  // namespace bight::detail
