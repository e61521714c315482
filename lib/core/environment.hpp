// What a reactor lives in: this machine, or a simulated host in its place.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timer.hpp>
#include <bight/net/address.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace BIGHT_EXPORT bight {
class reactor;
class virtual_clock;
}  // namespace bight

namespace bight::detail {

class demultiplexer;

/// Everything that comes from outside the program, where it does not come from the machine. A reactor without
/// one asks the kernel, the clock and the resolver. It outlives its reactor. All calls come on the reactor's
/// thread.
class environment {
  public:
    environment() noexcept = default;
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;
    virtual ~environment() = default;

    virtual std::unique_ptr<demultiplexer> make_demultiplexer(reactor& home) = 0;
    virtual virtual_clock& time() noexcept = 0;
    /// Timers are due: true when they do not fire yet, but at timers_from().
    virtual bool delays_timers() noexcept { return false; }
    /// Before this moment no timer fires.
    virtual time_point timers_from() const noexcept { return time_point::min(); }
    virtual std::uint64_t random() noexcept = 0;
    virtual std::chrono::system_clock::time_point wall_time() noexcept = 0;
    /// All addresses of `host`. Throws std::system_error.
    virtual task<std::vector<address>> look_up(std::string host, std::uint16_t port, bool only_ipv6) = 0;
    /// When a job for another thread, started now, would have ended: it is run on this thread then.
    virtual duration time_on_a_thread() noexcept = 0;
    /// Something was asked for that only the machine has (`what`: "a real socket"): says so, and gives the
    /// error for it.
    virtual std::error_code refuse(const char* what) = 0;

    /// It has crashed: its tasks are at their end, and what they still have to say is for nobody.
    virtual bool has_crashed() const noexcept { return false; }

    /// That of the reactor that runs on this thread; null for the machine.
    static environment* current() noexcept;
};

}  // namespace bight::detail
