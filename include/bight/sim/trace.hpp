// What happened in a simulated world.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

/// One thing that happened. What does not apply is empty or 0, of `sent` and `until` trace_event::never. The
/// texts belong to the trace, and last until it changes or goes.
struct trace_event {
    static constexpr duration never{-1};

    duration at{};            ///< since the world began
    std::string_view what{};  ///< "connect", "arrive", "fault", "note", …: see docs/sim/trace.md
    std::string_view from{};  ///< the host that did it
    std::string_view to{};    ///< the host that it was done to
    std::uint64_t link = 0;   ///< the connection, counted from 1
    std::uint64_t bytes = 0;
    std::string_view text{};  ///< the fault's name, the note, the beginning of what was sent
    duration sent = never;    ///< when the packet that came here set out, since the world began
    duration until = never;   ///< when what begins here is over, unless something else ends it before
    /// Which of the host's reactors did it, from 1: of those that main functions have made. 0: the one of its
    /// tasks, or none.
    std::uint16_t reactor = 0;
};

/// Everything that happened, in order. The same seed and the same program give the same trace, byte by byte.
/// The value decides: a copy needs neither the original nor the world.
class trace {
  public:
    /// A host's place among hosts(), from 0.
    using host_number = std::uint16_t;
    static constexpr host_number no_host = 0xffff;
    struct host_name {
        std::string name;
        std::string ip;
    };

    class iterator {
      public:
        using value_type = trace_event;
        using reference = trace_event;
        using pointer = void;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;  // of C++17, for *it is no reference
        using iterator_concept = std::forward_iterator_tag;

        iterator() noexcept = default;
        trace_event operator*() const noexcept { return of_->event(index_); }
        iterator& operator++() noexcept {
            ++index_;
            return *this;
        }
        iterator operator++(int) noexcept {
            const iterator before = *this;
            ++index_;
            return before;
        }
        friend bool operator==(const iterator&, const iterator&) noexcept = default;

      private:
        friend class trace;
        iterator(const trace& of, std::size_t index) noexcept : of_(&of), index_(index) {}
        const trace* of_ = nullptr;
        std::size_t index_ = 0;
    };

    /// The events of a trace, each made when it is asked for. Refers to the trace.
    class event_list {
      public:
        std::size_t size() const noexcept { return of_->events_.size(); }
        bool empty() const noexcept { return of_->events_.empty(); }
        trace_event operator[](std::size_t index) const noexcept { return of_->event(index); }
        trace_event front() const noexcept { return of_->event(0); }
        trace_event back() const noexcept { return of_->event(size() - 1); }
        iterator begin() const noexcept { return {*of_, 0}; }
        iterator end() const noexcept { return {*of_, size()}; }

      private:
        friend class trace;
        explicit event_list(const trace& of) noexcept : of_(&of) {}
        const trace* of_;
    };

    event_list events() const noexcept { return event_list(*this); }
    const std::vector<host_name>& hosts() const noexcept { return hosts_; }

    /// One JSON object for each event, one on each line: {"at":1.234567890,"what":"arrive","from":"a",…}.
    /// Times are in seconds; each byte of a text that is not printable ASCII is written as \u00XX.
    std::string to_json_lines() const;
    /// One page, which needs nothing but itself: the hosts as lanes on an axis of time, to look at with a
    /// browser.
    std::string to_html(std::string_view title) const;
    /// A number that differs, all but certainly, when anything in the trace differs, or in what it has
    /// forgotten.
    std::uint64_t digest() const noexcept;

    /// Adds a host, whether or not one of that name is there.
    host_number add_host(std::string_view name, std::string_view ip = {});
    /// Adds an event. `what` must last as long as the trace and its copies do: it is a literal. Hosts that
    /// are new are added.
    void add(const trace_event& e);
    /// The same for hosts that are known, or no_host; `from` and `to` of the event do not count.
    void add(const trace_event& e, host_number from, host_number to);
    void reserve(std::size_t events) { events_.reserve(events); }
    /// From now on about the last `most` events are kept: whenever there are more the older half goes, and
    /// one that says "forgotten" stands at the beginning, with the number of all that have gone (`bytes`). 0:
    /// all.
    void keep_last(std::size_t most) noexcept { most_ = most; }
    /// Forgets the events; hosts stay.
    void clear() noexcept;

  private:
    // A run has many, each of a storm of runs: they are small, and none allocates.
    struct stored_event {
        std::int64_t at;
        std::int64_t sent;
        std::int64_t until;
        std::uint64_t link;
        std::uint64_t bytes;
        std::string_view what;
        std::size_t text_begin;
        std::uint32_t text_size;
        host_number from;
        host_number to;
        std::uint16_t reactor;
    };

    trace_event event(std::size_t index) const noexcept;
    std::uint64_t digest_of(std::size_t count) const noexcept;
    void forget_half();
    host_number number_of(std::string_view name);

    std::vector<host_name> hosts_;
    std::vector<stored_event> events_;
    std::string texts_;  ///< of all events, one after the other
    std::size_t most_ = 0;
    std::uint64_t forgotten_ = 0;
    std::uint64_t digest_of_forgotten_ = 0;
};

}  // namespace sim
}  // namespace bight
