// leak_check: checks that the programs of a world release what they used.
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
    std::uint64_t descriptors = 0;  ///< sockets of its reactor

    /// The usage of a host; all zero when it is down.
    static usage of(host& h);
};

namespace detail {
/// ", 3 sockets instead of 1" and so on, for every number that is greater in `now` than in `before`;
/// otherwise empty.
std::string excess(const usage& now, const usage& before);
}  // namespace detail

/// Compares what is in use on each host with what was in use when this object was made. Make and check it at
/// moments when only the servers run, before and after the storm.
///
///     server.on_boot(…);
///     w.run_for(1s);                                // the server listens
///     bight::sim::leak_check leaks(w);
///     …storm, heal, run until the clients have ended…
///     w.run_for(1min);                              // what the server has to do for those who left
///     leaks.check();
///
/// A host that is added later is compared with zero. Memory is not checked here: sim::explore itself reports
/// frames of tasks and, with bight/sim/failing_new.hpp, blocks of memory that are left after a world is
/// destroyed. Thread: the world's, outside of its tasks.
class leak_check {
  public:
    /// Throws std::logic_error when a host is down, because its usage is unknown.
    explicit leak_check(world& w);
    /// Throws invariant_broken, which names each host that uses more than before, and what; std::logic_error
    /// when a host is down.
    void check() const;

  private:
    world& world_;
    std::map<std::string, usage> before_;
};

}  // namespace sim
}  // namespace bight
