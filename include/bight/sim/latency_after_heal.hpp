// A checker: once nothing goes wrong any more, nothing takes long.
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

/// What must be over within a time of virtual time, once the world is healed: answers, deliveries, the moment
/// until a name is free again.
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
/// What began before world::heal is measured from then on, and what ended before it is not; nor is what ends
/// after world::set_faults has brought harm back. What takes longer ends the world's run with
/// invariant_broken: when it ends, or at `check`. Choose the bound by what the program promises, and leave
/// room for variation: an operation may be 50 ms late, and a timer 20 ms. Thread: the world's.
class latency_after_heal {
  public:
    latency_after_heal(world& w, duration most) : world_(w), most_(most) {}
    latency_after_heal(const latency_after_heal&) = delete;
    latency_after_heal& operator=(const latency_after_heal&) = delete;

    /// Something that has begun. Copies are the same one. The checker outlives them.
    class wait {
      public:
        /// It is over, in whatever way. A second time it does nothing.
        void ended() { of_.end(number_); }

      private:
        friend class latency_after_heal;
        wait(latency_after_heal& of, std::uint64_t number) noexcept : of_(of), number_(number) {}
        latency_after_heal& of_;
        std::uint64_t number_;
    };
    /// `what` is for the message.
    [[nodiscard]] wait begin(std::string what);
    /// Nobody waits for what has not ended: what was under way on a host that crashed, say.
    void forget_all() noexcept { waits_.clear(); }

    /// Looks at what has not ended. Throws std::logic_error in a world that is not healed (world::healed_at).
    void check();
    /// The longest time that anything took after heal and has ended.
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
