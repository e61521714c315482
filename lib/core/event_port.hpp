// What a reactor waits on.
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

/// The side of a demultiplexer that the reactor knows: it is waited on, and while it is, it queues what has
/// completed with reactor_access::schedule. What can be asked of it in the first place is its own affair. It belongs
/// to one reactor. All calls but `wake` come on that reactor's thread.
class event_port {
  public:
    event_port() noexcept = default;
    event_port(const event_port&) = delete;
    event_port& operator=(const event_port&) = delete;
    virtual ~event_port() = default;

    virtual std::string_view name() const noexcept = 0;

    /// Hands what was started to the kernel, waits until something completes but at most `limit` (max(): for
    /// ever, zero: not at all), and queues what did. EINTR is a return without completions.
    virtual void wait(duration limit) = 0;
    /// Makes a sleeping wait return. Thread: any, and signal handlers.
    virtual void wake() noexcept = 0;
    /// True when wait(0) has something to do, as far as can be told without entering the kernel.
    virtual bool worth_polling() const noexcept { return true; }
    /// True when something was started that only the next wait hands to the kernel.
    virtual bool has_unsubmitted() const noexcept { return false; }
    /// Whether anything is pending; may take long.
    virtual bool has_pending() const noexcept = 0;
    /// False while the kernel still holds something that is bight's.
    virtual bool idle() const noexcept { return true; }
    /// A descriptor that polls readable when wait(0) has something to do, or -1.
    virtual int pollable() const noexcept { return -1; }

    /// Whether it is one of a simulated host: what it waits for comes from there.
    virtual bool simulated() const noexcept { return false; }
    /// When the next thing happens that is known to; max() for the kernel's, which know nothing.
    virtual time_point next_event() const noexcept { return time_point::max(); }

    /// The reactor is about to run on this thread. Throws std::system_error (errc::wrong_thread) when it
    /// cannot.
    virtual void enter_thread() {}
    /// Who lends receive buffers: see lender_here.
    virtual const void* lender() const noexcept { return nullptr; }
    /// The reactor is about to go: closes everything that is still open. What is pending completes with
    /// -ECANCELED, in the turns that follow.
    virtual void stop_all() noexcept = 0;
    /// In a forked child: closes what this has of the kernel's, which is the parent's, and touches nothing
    /// else. From then on it is good for being destroyed, or for heir_in_child.
    virtual void forked() noexcept {}
    /// After that: a port that has taken over all that was pending here, which stays so until it is
    /// cancelled.
    virtual std::unique_ptr<event_port> heir_in_child(reactor& home) = 0;

    struct figures {
        std::uint64_t operations = 0;  ///< asked for since it was made
        std::size_t buffers = 0;       ///< receive buffers that are lent out now
        std::size_t descriptors = 0;   ///< open now
    };
    virtual figures count_all() const noexcept = 0;
};

/// The port that `options` ask for; else BIGHT_REACTOR; else the best that works here, and `why` says which
/// better ones were refused. Throws what the constructor of reactor throws. Defined by the room of
/// demultiplexers: the one call of `core` to what stands on it, made when a reactor begins.
std::unique_ptr<event_port> choose_event_port(reactor& home, const reactor_options& options,
                                              std::string& why);

}  // namespace detail
}  // namespace bight
