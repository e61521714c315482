// What happened in a simulated world.
#pragma once

#include <bight/core/timer.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim {

/// One thing that happened. What does not apply is empty or 0.
struct trace_event {
    duration at{};           ///< since the world began
    std::string what;        ///< "connect", "arrive", "fault", "note", …: see docs/simulation.md
    std::string from;        ///< the host that did it
    std::string to;          ///< the host that it was done to
    std::uint64_t link = 0;  ///< the connection, counted from 1
    std::uint64_t bytes = 0;
    std::string text;        ///< the fault's name, the note, the beginning of what was sent
};

/// Everything that happened, in order. The same seed and the same program give the same trace, byte by byte.
class trace {
  public:
    const std::vector<trace_event>& events() const noexcept { return events_; }
    /// One JSON object for each event, one on each line: {"at":1.234567890,"what":"arrive","from":"a",…}. `at`
    /// is in seconds.
    std::string to_json_lines() const;
    /// One page, which needs nothing but itself: the hosts as lanes on an axis of time, to look at with a
    /// browser.
    std::string to_html(std::string_view title) const;
    /// A number that differs, all but certainly, when anything in the trace differs.
    std::uint64_t digest() const noexcept;

    void add(trace_event e) { events_.push_back(std::move(e)); }
    void clear() noexcept { events_.clear(); }

  private:
    std::vector<trace_event> events_;
};

}  // namespace bight::sim
