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
}  // namespace BIGHT_EXPORT bight

namespace bight::detail {

class demultiplexer;
class socket_calls;

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

    /// The calls on sockets that end at once, for a thread where no reactor runs. They last as long as this.
    virtual socket_calls& sockets() noexcept = 0;

    /// Tells the threads of a simulated host apart, which are one of this machine; null: it is just that one.
    virtual const void* identity() const noexcept { return nullptr; }
    /// Whether the reactor that lives here counts as one that runs on a thread of its own, also while it has
    /// no turn.
    virtual bool has_own_thread() const noexcept { return false; }

    /// That of the reactor that runs on this thread, or of the thread, if it is a simulated host's; null for
    /// the machine.
    static environment* current() noexcept;
};

/// A plain thread of a simulated host, for what would block it. All reactors of a simulated host have their
/// turns on one thread, in an order that the seed decides; a thread like this one lets them have theirs while
/// it waits, and has its own turn when it need not wait any more. What is not asked of it runs at once.
class simulated_thread {
  public:
    simulated_thread() noexcept = default;
    simulated_thread(const simulated_thread&) = delete;
    simulated_thread& operator=(const simulated_thread&) = delete;

    virtual environment& surroundings() noexcept = 0;
    /// How many reactors a runtime has that is not told how many.
    virtual unsigned processors() const noexcept = 0;
    /// What one more reactor of this host lives in.
    virtual environment& add_reactor() = 0;
    /// Whether the reactor that lives in `of`, which add_reactor gave, has turns from now on.
    virtual void give_turns(environment& of, bool on) noexcept = 0;

    /// Something that is waited for.
    class condition {
      public:
        /// Asked again and again, between the turns of reactors, on their thread.
        virtual bool holds() = 0;

      protected:
        ~condition() = default;
    };
    /// Returns once it holds. False: it never will, because the host has crashed; its world ends, and what
    /// this thread still waits for is for it to bring to an end by itself.
    virtual bool wait(condition& until) = 0;

    /// The one that this is; null where it is a thread of the machine, or the one that the reactors run on.
    static simulated_thread* current() noexcept;

  protected:
    ~simulated_thread() = default;
};

}  // namespace bight::detail
