// world_state: the implementation of sim::world.
#pragma once

#include "event_queue.hpp"
#include "habits.hpp"
#include "host_state.hpp"
#include "keyed_chance.hpp"
#include "socket.hpp"

#include <bight/core/virtual_clock.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bight::sim::detail {

/// One direction of a link.
struct link_state {
    explicit link_state(keyed_chance has) noexcept : chance(has) {}
    keyed_chance chance;  ///< for datagrams
    link_options options;
    bool cut = false;
    time_point open_from{};         ///< nothing arrives before this time, then everything that waited
    time_point busy_until{};        ///< with a limit of bytes per second
    time_point narrow_until{};      ///< until then there is a second limit:
    std::uint64_t narrow_rate = 0;  ///< bytes per second
    std::vector<std::function<void()>> held;
};

/// Names are the same in upper and lower case (RFC 4343).
inline std::strong_ordering in_lower_case_order(std::string_view a, std::string_view b) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::lexicographical_compare_three_way(
        a.begin(), a.end(), b.begin(), b.end(),
        [&](char x, char y) -> std::strong_ordering { return lower(x) <=> lower(y); });
}
inline bool is_same_name(std::string_view a, std::string_view b) noexcept {
    return in_lower_case_order(a, b) == 0;
}
struct before_in_lower_case {
    bool operator()(std::string_view a, std::string_view b) const noexcept {
        return in_lower_case_order(a, b) < 0;
    }
};

/// What world::set_name has said of a name.
struct set_name {
    std::vector<std::string> ips;
    name_options options;
};

/// The source of a packet's random numbers, and its properties.
struct departure {
    keyed_chance& chance;
    std::uint64_t place;  ///< in its stream
    std::uint64_t link;
    std::size_t bytes;
    time_point earliest;    ///< it does not arrive before this time
    bool repeated = false;  ///< its sender repeats it, so at a host that is down it is lost
};

// The objects made by world::own, destroyed in reverse order.
struct belongings {
    belongings() = default;
    belongings(const belongings&) = delete;
    belongings& operator=(const belongings&) = delete;
    ~belongings() {
        while (!all.empty()) all.pop_back();
    }
    std::vector<std::unique_ptr<belonging>> all;
};

/// That of the world which this seed and these options make: not by_seed.
sim::personality personality_of(std::uint64_t seed, const world_options& options);

struct world_state {
    world_state(std::uint64_t chosen, world_options opts,
                virtual_clock::mode mode = virtual_clock::mode::manual);
    ~world_state();

    belongings owned;  // first member: destroyed last
    const std::uint64_t seed;
    world_options options;
    /// What this plan excludes stays excluded, whatever options.faults becomes.
    const fault_plan limits = options.faults;
    virtual_clock clock;
    random_source for_tests;
    const keyed_chance chance;           ///< from which those of hosts and links derive
    const sim::personality personality;  ///< not by_seed
    const habits has = habits_of(personality);
    trait_counts traits_shown{};
    std::vector<random_source> amounts;  ///< for each kind of fault: the amounts of the last one
    event_queue events;
    std::vector<std::unique_ptr<host>> hosts;
    std::vector<host_state*> states;                                  ///< the states of `hosts`
    std::map<std::pair<std::size_t, std::size_t>, link_state> links;  ///< by the hosts' indices
    std::map<std::string, set_name, before_in_lower_case> names;      ///< that a test has set
    /// One end of each connection, so that the ends can be separated at the end.
    std::vector<std::weak_ptr<socket>> connections;
    std::size_t connections_looked_at = 64;
    trace happened;
    duration arriving_since{};  ///< when the packet that arrives now was sent
    std::array<std::uint64_t, fault_kinds> fault_counts{};
    std::vector<happened_fault> faults;
    std::uint64_t last_link = 0;
    const host_thread* acting = nullptr;  ///< whose turn it is
    /// Threads whose waits are interrupted now, with the life of their hosts.
    std::vector<std::pair<host_thread*, std::uint64_t>> interrupted;
    std::exception_ptr failure;
    bool has_run = false;
    const int exceptions_before = std::uncaught_exceptions();
    /// This many turns in which no time passes and no program receives anything mean that the run is stuck.
    std::uint64_t most_turns_at_once = 1'000'000;
    std::uint64_t turns_at_once = 0;
    std::optional<duration> healed_at;

    host_state* find_host(const std::string& ip) const noexcept;
    link_state& link(const host_state& from, const host_state& to);

    /// Whether this fault happens now; if so, it is recorded in the trace. To a host, with the random numbers
    /// of its thread that has its turn:
    bool happens(fault f, host_thread& at);
    /// To a socket, at this place in what it reads or writes.
    bool happens(fault f, socket& at, std::uint64_t place);
    /// The amounts of a fault of this kind that has just happened, independent of other faults.
    random_source& amount(fault f) noexcept { return amounts[static_cast<std::size_t>(f)]; }
    /// With the given keyed_chance, at a place.
    bool happens(fault f, double scale, host_state& at, keyed_chance& by, std::uint64_t place,
                 std::uint64_t on_link, std::string_view text);
    /// To a thing that a host knows by name.
    bool happens(fault f, host_state& at, keyed_chance& by);
    void show(trait t) noexcept { ++traits_shown[static_cast<std::size_t>(t)]; }
    std::uint64_t shown(trait t) const noexcept { return traits_shown[static_cast<std::size_t>(t)]; }
    /// `what` is a literal.
    void record(std::string_view what, const host_state* from, const host_state* to = nullptr,
                std::uint64_t on_link = 0, std::uint64_t bytes = 0, std::string_view text = {});
    /// The same for the effect of an arriving packet: only while it arrives.
    void record_arrival(std::string_view what, const host_state* from, const host_state* to,
                        std::uint64_t on_link = 0, std::uint64_t bytes = 0, std::string_view text = {});
    /// The same for something that lasts until then.
    void record_span(std::string_view what, const host_state* from, const host_state* to, time_point until);

    /// Sends a packet from one host to another, and returns when it should arrive. At that time it waits
    /// while the link is cut or the other host is down (`arrival` may run twice for a repeated packet). A
    /// host that is down sends nothing.
    time_point send(host_state& from, host_state& to, const departure& what, std::function<void()> arrival);

    /// The same for a datagram, which is lost where a packet would wait, and may overtake others. `arrival`
    /// may run twice, or never.
    void send_datagram(host_state& from, host_state& to, std::size_t bytes,
                       const std::function<void()>& arrival);
    /// Packets that reached this host in its former life, or while it was down, were lost there. If the link
    /// is cut, they wait at it again, before later packets.
    void send_again_to(host_state& booted);
    /// When a packet sent now would arrive.
    time_point arrival_of(host_state& from, host_state& to, const departure& what);

    /// What to say of a world whose hosts have programs and which was never run; empty for any other.
    std::string forgotten() const;

    /// True when something ran.
    bool turn();
    /// This reactor begins to wait: its wait may be interrupted up to 1 ms from now.
    void interrupt_wait(host_thread& waits);
    void give_interrupted_turns();
    /// Advances time to the next event, at most to `limit`. False when nothing will ever happen.
    bool advance(time_point limit);
    /// Has the packets that wait at `l` arrive then, unless it is cut.
    void open_at(link_state& l, time_point when);
    void cut_for(host_state& from, host_state& to, duration d);
    /// A packet of `bytes` bytes has arrived: while the link is narrow, the next one waits for a time.
    void pass(link_state& l, std::size_t bytes);
    void mend(link_state& l);
    void deliver_due();
    /// True when there were any.
    bool deliver_now();
    /// Whatever comes next, a turn or a leap of time; false when nothing can ever happen again.
    bool step();
    time_point next_event() const noexcept;
    bool finished() noexcept;
    /// Whether a program given to host::run has not ended.
    bool has_clients() const noexcept;
    /// Runs until all programs given to host::run have ended; true when they have. When nothing can ever
    /// happen again, throws `deadlock`; with `whole_time` the time passes instead, also when there were no
    /// such programs.
    bool run_until(time_point limit, bool whole_time);
    std::string dump_tasks() const;

  private:
    void turn_of_reactor(host_thread& chosen);
};

/// The state of a world, for what runs tests.
struct world_access {
    static world_state& state(world& w) noexcept { return *w.state_; }
};

}  // namespace bight::sim::detail
