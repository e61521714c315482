// one_holder: checks mutual exclusion: a thing has at most one holder at a time.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/sim/invariant.hpp>
#include <bight/sim/world.hpp>

#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace sim {

/// Things that only one client may hold at a time: a name, a lock, a lease. Name must be ordered.
///
///     auto& names = w.own<bight::sim::one_holder<std::string>>(w);
///     …
///     if (answer == "Welcome") names.granted(name, me);
///     …
///     names.released(name, me);        // before the server can know
///     co_await peer.close();
///
/// What counts is the clients' view: a client holds a thing from the moment when it learns so until it says
/// that it gives it back, or until it can know that it has lost it. `granted` while another client holds the
/// thing ends the world's run with invariant_broken. To find a race, let several clients ask for the same
/// thing at the same moment, again and again (docs/sim/checkers.md). Thread: the world's.
template <class Name>
class one_holder {
  public:
    explicit one_holder(world& w) : world_(w) {}

    void granted(const Name& name, const std::string& to) {
        const auto [at, free] = held_.try_emplace(name, holding{to, world_.elapsed()});
        if (free) return;
        detail::report_broken_invariant(
            world_, detail::text_of(name) + " was given to " + to + detail::now_in(world_) +
                        (at->second.by == to ? ", who has" : ", and " + at->second.by + " has") +
                        " it since " + detail::at_time(at->second.since));
    }
    /// Throws std::logic_error when `by` does not hold it: the test is wrong.
    void released(const Name& name, const std::string& by) {
        const auto at = held_.find(name);
        if (at == held_.end() || at->second.by != by) {
            throw std::logic_error(by + " does not have " + detail::text_of(name) +
                                   ", and cannot give it back");
        }
        held_.erase(at);
    }
    /// Releases everything that `who` held, because it has crashed.
    void lost_all(const std::string& who) {
        std::erase_if(held_, [&who](const auto& one) { return one.second.by == who; });
    }

    /// The holder; empty when there is none.
    std::string holder(const Name& name) const {
        const auto at = held_.find(name);
        return at == held_.end() ? std::string() : at->second.by;
    }

  private:
    struct holding {
        std::string by;
        duration since;
    };

    world& world_;
    std::map<Name, holding> held_;
};

}  // namespace sim
}  // namespace bight
