// watched_world: the world that this process runs, for a report of its sudden end.
#pragma once

#include "explore_attempt.hpp"

#include <string>

namespace bight::sim::detail {

/// The current run of this process, for a signal handler.
struct current_run {
    world* in = nullptr;
    attempt* result = nullptr;
    bool told = false;
    bool with_details = false;
    std::string html;  ///< where to write a page of the trace; empty: nowhere
    std::string title;

    /// Writes the page. Returns an empty text, or the error.
    std::string write_page() const;
};
extern current_run running_here;

/// While one lives in a child that was asked for details, the end of this process (by a signal, say) records
/// the state of the world first.
class watched_world {
  public:
    watched_world(world& w, attempt& a, bool with_details) noexcept;
    watched_world(const watched_world&) = delete;
    watched_world& operator=(const watched_world&) = delete;
    ~watched_world();
    /// The attempt is complete: nothing more need be recorded.
    void is_told() const noexcept;
};

}  // namespace bight::sim::detail
