// at_most_once: checks that a request takes effect at most once, however often it is repeated.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/sim/invariant.hpp>
#include <bight/sim/world.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace sim {

/// Requests that must not be carried out twice: payments, jobs, messages. Each has an id that all its retries
/// share, and Id has an order.
///
///     auto& payments = w.own<bight::sim::at_most_once<int>>(w, "payment");
///     …
///     payments.done(id, "bank");       // in the server, where it takes effect
///     payments.confirmed(id);          // in the client, when it was told so
///
/// A second `done` and a `confirmed` before any `done` end the world's run with invariant_broken. It keeps
/// every id. Thread: the world's.
template <class Id>
class at_most_once {
  public:
    /// `what` names a request in messages.
    explicit at_most_once(world& w, std::string what = "request") : world_(w), what_(std::move(what)) {}

    /// The request takes effect now.
    void done(const Id& id, std::string_view by = {}) {
        const auto [at, first] = done_.try_emplace(id, effect{std::string(by), world_.elapsed()});
        if (first) return;
        detail::report_broken_invariant(world_, what_ + " " + detail::text_of(id) +
                                                    " was done twice: " + by_and_when(at->second) + ", and " +
                                                    by_and_when({std::string(by), world_.elapsed()}));
    }
    /// The client has been told that the request took effect.
    void confirmed(const Id& id) {
        if (done_.contains(id)) return;
        detail::report_broken_invariant(
            world_,
            what_ + " " + detail::text_of(id) + " was confirmed, and was not done" + detail::now_in(world_));
    }

    bool is_done(const Id& id) const { return done_.contains(id); }
    /// How many requests took effect.
    std::size_t count() const noexcept { return done_.size(); }

  private:
    struct effect {
        std::string by;
        duration at;
    };
    static std::string by_and_when(const effect& e) {
        return (e.by.empty() ? std::string() : "by " + e.by + " ") + detail::at_time(e.at);
    }

    world& world_;
    const std::string what_;
    std::map<Id, effect> done_;
};

}  // namespace sim
}  // namespace bight
