// A plain thread of a simulated host.
#pragma once

#include "platform.hpp"

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A plain thread of a simulated host, for what would block it. All reactors of a simulated host have their
/// turns on one thread, in an order that the seed decides; a thread like this one lets them have theirs while
/// it waits, and has its own turn when it need not wait any more. What is not asked of it runs at once.
class simulated_thread {
  public:
    simulated_thread() noexcept = default;
    simulated_thread(const simulated_thread&) = delete;
    simulated_thread& operator=(const simulated_thread&) = delete;

    virtual platform& surroundings() noexcept = 0;
    /// How many reactors a runtime has that is not told how many.
    virtual unsigned processors() const noexcept = 0;
    /// What one more reactor of this host lives in.
    virtual platform& add_reactor() = 0;
    /// Whether `of`, which may be null, came from add_reactor of this host.
    virtual bool has(const platform* of) const noexcept = 0;
    /// Whether the reactor that lives in `of`, which add_reactor gave, has turns from now on.
    virtual void give_turns(platform& of, bool on) noexcept = 0;

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

}  // namespace detail
}  // namespace bight
