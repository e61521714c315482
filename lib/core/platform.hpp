// platform: the environment of a simulated reactor: clock, randomness, threads.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace BIGHT_EXPORT bight {
class reactor;
class virtual_clock;
}  // namespace bight

namespace BIGHT_EXPORT bight {
namespace detail {

class event_port;
class signal_receiver;
class simulated_machine;

/// Replaces this machine for a reactor: time, random numbers and all else that comes from outside the
/// program. A reactor without a platform uses the kernel and its clock. It must outlive its reactor. All
/// calls come on the reactor's thread.
class platform {
  public:
    platform() noexcept = default;
    platform(const platform&) = delete;
    platform& operator=(const platform&) = delete;
    virtual ~platform() = default;

    virtual std::unique_ptr<event_port> make_event_port(reactor& home) = 0;
    virtual virtual_clock& time() noexcept = 0;
    /// Timers are due: true when they are to fire later, at timers_from().
    virtual bool delays_timers() noexcept { return false; }
    /// No timer fires before this time.
    virtual time_point timers_from() const noexcept { return time_point::min(); }
    virtual std::uint64_t random() noexcept = 0;
    virtual std::chrono::system_clock::time_point wall_time() noexcept = 0;
    /// How long a job for another thread, started now, takes; it is run on this thread after that time.
    virtual duration time_on_a_thread() noexcept = 0;
    /// The program used something that only the real machine has (`what`: "a real socket"): reports that, and
    /// returns the error.
    virtual std::error_code refuse(const char* what) = 0;

    /// What it is called for a reader: "server, reactor 2".
    virtual std::string description() const = 0;

    /// Whether the host has crashed: then its tasks are being unwound, and their errors are not reported.
    virtual bool has_crashed() const noexcept { return false; }

    /// Distinguishes the simulated threads of a host, which share one real thread; null: the real one.
    virtual const void* identity() const noexcept { return nullptr; }
    /// Whether the reactor counts as running on its own thread, even when it does not have its turn.
    virtual bool has_own_thread() const noexcept { return false; }

    /// The platform of the reactor that runs on this thread, or of this simulated thread; null on the real
    /// machine.
    static platform* current() noexcept;
    /// Throws std::system_error in a task that is simulated: it would have a reactor of the machine.
    static void refuse_reactor_in_task();

    /// What is told of the signals that come to this reactor.
    intrusive_list<signal_receiver> signal_receivers;
};

/// A kind of platform that the environment variable BIGHT_REACTOR can name in programs that are linked with
/// the library that implements it: bight-sim has "sim:SEED".
struct named_platform {
    std::string_view prefix;                                       ///< "sim:"
    std::unique_ptr<platform> (*make)(std::string_view variable);  ///< throws std::system_error
    std::unique_ptr<simulated_machine> (*make_machine)(std::string_view variable);  ///< throws the same
};

/// Registers `p` for the rest of the process. To be called before main, on one thread.
void offer_platform(const named_platform& p) noexcept;

/// The platform that BIGHT_REACTOR names; null when it names none. Throws std::system_error
/// (errc::unavailable) for one that this program does not have, and for a value that it cannot parse.
std::unique_ptr<platform> platform_of_environment();

}  // namespace detail
}  // namespace bight
