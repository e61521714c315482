// simulated_thread: a plain thread of a simulated host, such as the one of a main function.
#pragma once

#include "platform.hpp"

#include <bight/core/export.hpp>

#include <memory>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The interface for calls that would block a plain thread of a simulated host. All reactors of a simulated
/// host have their turns on one real thread, in an order that the seed decides; while this thread waits they
/// have their turns, and when its wait is over it has its own. Code that does not wait runs at once.
class simulated_thread {
  public:
    simulated_thread() noexcept = default;
    simulated_thread(const simulated_thread&) = delete;
    simulated_thread& operator=(const simulated_thread&) = delete;

    virtual platform& surroundings() noexcept = 0;
    /// The default number of reactors of a runtime.
    virtual unsigned processors() const noexcept = 0;
    /// The platform for one more reactor of this host.
    virtual platform& add_reactor() = 0;
    /// Whether `of`, which may be null, came from add_reactor of this host.
    virtual bool has(const platform* of) const noexcept = 0;
    /// Sets whether the reactor of platform `of`, which add_reactor made, has turns from now on.
    virtual void give_turns(platform& of, bool on) noexcept = 0;

    /// A condition that the thread waits for.
    class condition {
      public:
        /// Evaluated repeatedly, between the turns of reactors, on their thread.
        virtual bool holds() = 0;

      protected:
        ~condition() = default;
    };
    /// Returns true once the condition holds. False when it never will, because the host has crashed and its
    /// world ends: then this thread must bring what it waits for to an end by itself.
    virtual bool wait(condition& until) = 0;

    /// The simulated thread that runs now; null on a real thread, including the one on which the reactors
    /// run.
    static simulated_thread* current() noexcept;

  protected:
    ~simulated_thread() = default;
};

/// The main thread of a program that runs in a world of its own (BIGHT_REACTOR=sim:SEED): while this lives it
/// is the simulated thread of the one that made it, and its waits give the reactors their turns there. They
/// throw `deadlock` when nothing can ever run again.
class simulated_machine : public simulated_thread {
  public:
    virtual ~simulated_machine() = default;
};

/// The machine that BIGHT_REACTOR names, for a program with several reactors: the same for all who ask on
/// this thread while one of them keeps it; null when the variable names none. Throws as
/// platform_of_environment.
std::shared_ptr<simulated_machine> machine_of_environment();

}  // namespace detail
}  // namespace bight
