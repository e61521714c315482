// trace: the events of a simulated world, as JSON lines or an HTML page.
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

/// One event. Members that do not apply are empty or 0; `sent` and `until` are then trace_event::never. The
/// texts belong to the trace, and are valid until it changes or is destroyed.
struct trace_event {
    static constexpr duration never{-1};

    duration at{};            ///< since the world began
    std::string_view what{};  ///< "connect", "arrive", "fault", "note", …: see docs/sim/trace.md
    std::string_view from{};  ///< the host that did it
    std::string_view to{};    ///< the host that it was done to
    std::uint64_t link = 0;   ///< the number of the connection, from 1
    std::uint64_t bytes = 0;
    std::string_view text{};  ///< the fault's name, the note, the beginning of what was sent
    duration sent = never;    ///< when the packet that arrived was sent, since the world began
    duration until = never;   ///< when what begins here ends, unless something else ends it earlier
    /// Which of the reactors made by the host's main functions did it, from 1. 0: the reactor of the host's
    /// tasks, or none.
    std::uint16_t reactor = 0;
};

/// All events, in order. The same seed and the same program give the same trace, byte by byte. A trace is a
/// plain value: a copy needs neither the original nor the world.
class trace {
  public:
    /// The index of a host in hosts().
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
        using iterator_category = std::input_iterator_tag;  // the C++17 one: *it is not a reference
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

    /// A view of the events of a trace, which are constructed on access. Refers to the trace.
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
    /// A self-contained HTML page that shows the hosts as lanes on a time axis.
    std::string to_html(std::string_view title) const;
    /// A hash over all events, including those that the trace no longer keeps.
    std::uint64_t digest() const noexcept;

    /// Adds a host, even if there is one of that name already.
    host_number add_host(std::string_view name, std::string_view ip = {});
    /// Adds an event, and its hosts if they are new. `what` must outlive the trace and its copies: use a
    /// literal.
    void add(const trace_event& e);
    /// The same for known hosts, or no_host; `from` and `to` of the event are ignored.
    void add(const trace_event& e, host_number from, host_number to);
    void reserve(std::size_t events) { events_.reserve(events); }
    /// From now on keeps about the last `most` events: whenever there are more, the older half is dropped,
    /// and the trace begins with a "forgotten" event that has the number of all dropped events in `bytes`. 0:
    /// keeps all.
    void keep_last(std::size_t most) noexcept { most_ = most; }
    /// Drops the events and keeps the hosts.
    void clear() noexcept;

  private:
    // A search makes many runs with many events each, so events are small and allocate nothing by themselves.
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
    std::string texts_;  ///< the texts of all events, one after the other
    std::size_t most_ = 0;
    std::uint64_t forgotten_ = 0;
    std::uint64_t digest_of_forgotten_ = 0;
};

}  // namespace sim
}  // namespace bight
