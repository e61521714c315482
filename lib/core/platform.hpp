// What a reactor lives in: this machine, or a simulated host in its place.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>

namespace BIGHT_EXPORT bight {
class reactor;
class virtual_clock;
}  // namespace bight

namespace BIGHT_EXPORT bight {
namespace detail {

class event_port;

/// Everything that comes from outside the program, where it does not come from the machine. A reactor without
/// one asks the kernel and its clock. It outlives its reactor. All calls come on the reactor's thread.
class platform {
  public:
    platform() noexcept = default;
    platform(const platform&) = delete;
    platform& operator=(const platform&) = delete;
    virtual ~platform() = default;

    virtual std::unique_ptr<event_port> make_event_port(reactor& home) = 0;
    virtual virtual_clock& time() noexcept = 0;
    /// Timers are due: true when they do not fire yet, but at timers_from().
    virtual bool delays_timers() noexcept { return false; }
    /// Before this moment no timer fires.
    virtual time_point timers_from() const noexcept { return time_point::min(); }
    virtual std::uint64_t random() noexcept = 0;
    virtual std::chrono::system_clock::time_point wall_time() noexcept = 0;
    /// When a job for another thread, started now, would have ended: it is run on this thread then.
    virtual duration time_on_a_thread() noexcept = 0;
    /// Something was asked for that only the machine has (`what`: "a real socket"): says so, and gives the
    /// error for it.
    virtual std::error_code refuse(const char* what) = 0;

    /// It has crashed: its tasks are at their end, and what they still have to say is for nobody.
    virtual bool has_crashed() const noexcept { return false; }

    /// Tells the threads of a simulated host apart, which are one of this machine; null: it is just that one.
    virtual const void* identity() const noexcept { return nullptr; }
    /// Whether the reactor that lives here counts as one that runs on a thread of its own, also while it has
    /// no turn.
    virtual bool has_own_thread() const noexcept { return false; }

    /// That of the reactor that runs on this thread, or of the thread, if it is a simulated host's; null for
    /// the machine.
    static platform* current() noexcept;
    /// Throws std::system_error in a task that is simulated: it would have a reactor of the machine.
    static void refuse_reactor_in_task();
};

/// A kind of platform that the environment variable BIGHT_REACTOR can name, in programs that are linked with
/// a library that has it: the simulation (bight-sim) has "sim:SEED".
struct named_platform {
    std::string_view prefix;                                       ///< "sim:"
    std::unique_ptr<platform> (*make)(std::string_view variable);  ///< throws std::system_error
};

/// Offers it, for as long as the process runs. At start-up: before main, on one thread.
void offer_platform(const named_platform& p) noexcept;

/// Whether BIGHT_REACTOR names a simulated platform, whether or not this program has it.
bool environment_names_a_platform() noexcept;
/// The one that BIGHT_REACTOR names; null when it names none. Throws std::system_error (errc::unavailable)
/// for one that this program has not, and for what it does not understand.
std::unique_ptr<platform> platform_of_environment();

}  // namespace detail
}  // namespace bight
