// latency_after_heal: checks that operations end in time once the world is healed.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/sim/world.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace sim {

/// Checks that operations end within a limit of virtual time after the world is healed: answers, deliveries,
/// the release of a name.
///
///     auto& answers = w.own<bight::sim::latency_after_heal>(w, 2s);
///     …
///     auto answer = answers.begin("the answer to alice");
///     …
///     answer.ended();
///     …
///     w.run_for(10s);
///     answers.check();                 // what still waits
///
/// An operation that began before world::heal is measured from the heal on. One that ended before it is not
/// measured; neither is one that ends after world::set_faults has made harm possible again. An operation that
/// takes longer than the limit ends the world's run with invariant_broken, at its end or in `check`. Choose
/// the limit by what the program promises, and leave room for variation: an operation may be 50 ms late, and
/// a timer 20 ms. Thread: the world's.
class latency_after_heal {
  public:
    latency_after_heal(world& w, duration most) : world_(w), most_(most) {}
    latency_after_heal(const latency_after_heal&) = delete;
    latency_after_heal& operator=(const latency_after_heal&) = delete;

    /// An operation that has begun. Copies refer to the same one. The checker must outlive them.
    class wait {
      public:
        /// The operation has ended, however it ended. A second call does nothing.
        void ended() { of_.end(number_); }

      private:
        friend class latency_after_heal;
        wait(latency_after_heal& of, std::uint64_t number) noexcept : of_(of), number_(number) {}
        latency_after_heal& of_;
        std::uint64_t number_;
    };
    /// `what` is for the message.
    [[nodiscard]] wait begin(std::string what);
    /// Drops all operations that have not ended, because a host has crashed, say.
    void forget_all() noexcept { waits_.clear(); }

    /// Checks the operations that have not ended. Throws std::logic_error in a world that is not healed
    /// (world::healed_at).
    void check();
    /// The longest time that an ended operation took after the heal.
    duration longest() const noexcept { return longest_; }

  private:
    struct begun {
        std::string what;
        duration at;
    };
    void end(std::uint64_t number);
    duration since_heal(const begun& b) const noexcept;
    void measure(const begun& b, const char* outcome);

    world& world_;
    const duration most_;
    duration longest_{};
    std::uint64_t last_ = 0;
    std::map<std::uint64_t, begun> waits_;
};

}  // namespace sim
}  // namespace bight
