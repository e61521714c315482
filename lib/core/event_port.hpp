// event_port: the interface of a demultiplexer to its reactor.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {
class reactor;
struct reactor_options;

namespace detail {

/// The side of a demultiplexer that the reactor uses: the reactor waits on it, and during the wait it queues
/// completed operations with reactor_access::schedule. How operations are started is not part of this
/// interface. It belongs to one reactor. All calls except `wake` come on that reactor's thread.
class event_port {
  public:
    event_port() noexcept = default;
    event_port(const event_port&) = delete;
    event_port& operator=(const event_port&) = delete;
    virtual ~event_port() = default;

    virtual std::string_view name() const noexcept = 0;

    /// Submits the started operations to the kernel, waits until one completes but at most `limit` (max():
    /// for ever, zero: not at all), and queues the completed ones. On EINTR it returns without completions.
    virtual void wait(duration limit) = 0;
    /// Makes a sleeping wait return. Thread: any, and signal handlers.
    virtual void wake() noexcept = 0;
    /// Whether wait(0) may have something to do, as far as is known without a system call.
    virtual bool worth_polling() const noexcept { return true; }
    /// True when operations were started that only the next wait submits to the kernel.
    virtual bool has_unsubmitted() const noexcept { return false; }
    /// Whether any operation is pending; may be slow.
    virtual bool has_pending() const noexcept = 0;
    /// False while the kernel still uses memory of bight's.
    virtual bool idle() const noexcept { return true; }
    /// A descriptor that polls readable when wait(0) has something to do, or -1.
    virtual int pollable() const noexcept { return -1; }

    /// Whether it belongs to a simulated host, where its events come from the simulation.
    virtual bool simulated() const noexcept { return false; }
    /// The time of the next known event; max() for the kernel's demultiplexers, which know none.
    virtual time_point next_event() const noexcept { return time_point::max(); }

    /// The reactor is about to run on this thread. Throws std::system_error (errc::wrong_thread) when it
    /// cannot.
    virtual void enter_thread() {}
    /// Identifies the owner of receive buffers: see lender_here.
    virtual const void* lender() const noexcept { return nullptr; }
    /// The reactor is about to be destroyed: closes everything that is still open. Pending operations
    /// complete with -ECANCELED in the following turns.
    virtual void stop_all() noexcept = 0;
    /// In a forked child: closes its kernel objects, which belong to the parent, and touches nothing else.
    /// After that it may only be destroyed or asked for heir_in_child.
    virtual void forked() noexcept {}
    /// After `forked`: a port that takes over all pending operations; they stay pending until they are
    /// cancelled.
    virtual std::unique_ptr<event_port> heir_in_child(reactor& home) = 0;

    struct figures {
        std::uint64_t operations = 0;  ///< started since it was made
        std::size_t buffers = 0;       ///< receive buffers that are lent out now
        std::size_t descriptors = 0;   ///< open now
    };
    virtual figures count_all() const noexcept = 0;
};

/// The port that `options` or else BIGHT_REACTOR asks for, otherwise the best that works here; `why` says
/// which better ones were refused. Throws what the constructor of reactor throws. Defined in lib/demux: the
/// only call from `core` into a room above it, made when a reactor begins.
std::unique_ptr<event_port> choose_event_port(reactor& home, const reactor_options& options,
                                              std::string& why);

}  // namespace detail
}  // namespace bight
