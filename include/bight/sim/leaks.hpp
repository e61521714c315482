// A checker: what the programs of a world used is given back.
#pragma once

#include <bight/core/export.hpp>
#include <bight/sim/world.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace BIGHT_EXPORT bight {
namespace sim {

/// What is in use on a host.
struct usage {
    std::uint64_t sockets = 0;  ///< connections and listeners
    std::uint64_t tasks = 0;
    std::uint64_t timers = 0;
    std::uint64_t buffers = 0;      ///< receive buffers that chunks hold
    std::uint64_t descriptors = 0;  ///< that its reactor looks after

    /// Of a host that is up; nothing of one that is down.
    static usage of(host& h);
};

namespace detail {
/// ", 3 sockets instead of 1" and so on, for all of which there is more `now` than `before`; else empty.
std::string excess(const usage& now, const usage& before);
}  // namespace detail

/// Compares what is in use on each host with what was when this was made: at a moment at which nothing but
/// the servers is left, before the storm and after it.
///
///     server.on_boot(…);
///     w.run_for(1s);                                // the server listens
///     bight::sim::leak_check leaks(w);
///     …storm, heal, run until the clients have ended…
///     w.run_for(1min);                              // what the server has to do for those who left
///     leaks.check();
///
/// A host that came later has nothing to begin with. Memory is not looked at here: the frames of tasks and,
/// with bight/sim/failing_new.hpp, blocks of memory that are left when a world has gone are a failure by
/// themselves (sim::explore). Thread: the world's, outside of its tasks.
class leak_check {
  public:
    /// Throws std::logic_error where a host is down: of that nothing can be said.
    explicit leak_check(world& w);
    /// Throws invariant_broken, with each host that has more than before, and of what; std::logic_error where
    /// a host is down.
    void check() const;

  private:
    world& world_;
    std::map<std::string, usage> before_;
};

}  // namespace sim
}  // namespace bight
