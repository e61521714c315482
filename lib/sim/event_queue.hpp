// event_queue: the future events of a world, by time.
#pragma once

#include <bight/core/detail/timer.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace bight::sim::detail {

/// Events at the same moment happen in the order in which they were added.
class event_queue {
  public:
    void at(time_point when, std::function<void()> event) {
        events_.emplace(std::pair(when, next_++), std::move(event));
    }
    bool empty() const noexcept { return events_.empty(); }
    /// The time of the first event; max() when there is none.
    time_point next() const noexcept {
        return events_.empty() ? time_point::max() : events_.begin()->first.first;
    }
    /// Takes the first event out; only when next() is not max().
    std::function<void()> take() {
        std::function<void()> event = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        return event;
    }
    void clear() noexcept { events_.clear(); }

  private:
    std::map<std::pair<time_point, std::uint64_t>, std::function<void()>> events_;
    std::uint64_t next_ = 0;
};

}  // namespace bight::sim::detail
