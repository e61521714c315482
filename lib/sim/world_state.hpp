// The inside of a world.
#pragma once

#include "event_queue.hpp"
#include "host_state.hpp"
#include "keyed_chance.hpp"
#include "socket.hpp"

#include <bight/core/virtual_clock.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <array>
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
    keyed_chance chance;  ///< of datagrams
    link_options options;
    bool cut = false;
    time_point open_from{};         ///< nothing arrives before this moment, and then everything that waited
    time_point busy_until{};        ///< with a limit of bytes per second
    time_point narrow_until{};      ///< until then there is one more:
    std::uint64_t narrow_rate = 0;  ///< bytes per second
    std::vector<std::function<void()>> held;
};

/// What a packet takes its chance from, and what it carries.
struct departure {
    keyed_chance& chance;
    std::uint64_t place;  ///< in its stream
    std::uint64_t link;
    std::size_t bytes;
    time_point earliest;    ///< it does not arrive before
    bool repeated = false;  ///< its sender sends it again: at a host that is down it is lost
};

// What a world keeps for its test; what was made last goes first, as in a scope.
struct belongings {
    belongings() = default;
    belongings(const belongings&) = delete;
    belongings& operator=(const belongings&) = delete;
    ~belongings() {
        while (!all.empty()) all.pop_back();
    }
    std::vector<std::unique_ptr<belonging>> all;
};

struct world_state {
    world_state(std::uint64_t chosen, world_options opts,
                virtual_clock::mode mode = virtual_clock::mode::manual);
    ~world_state();

    belongings owned;  // first: it goes last
    const std::uint64_t seed;
    world_options options;
    /// What this leaves out stays out, whatever plan options.faults becomes.
    const fault_plan limits = options.faults;
    virtual_clock clock;
    random_source for_tests;
    const keyed_chance chance;           ///< that those of the hosts and links come from
    std::vector<random_source> amounts;  ///< of each kind of fault: what the last one does
    event_queue events;
    std::vector<std::unique_ptr<host>> hosts;
    std::vector<host_state*> states;                                     ///< theirs
    std::map<std::pair<std::size_t, std::size_t>, link_state> links;     ///< by the hosts' indices
    std::map<std::string, std::vector<std::string>, std::less<>> names;  ///< that a test has set
    /// One end of each, so that they can be taken apart in the end.
    std::vector<std::weak_ptr<socket>> connections;
    std::size_t connections_looked_at = 64;
    trace happened;
    duration arriving_since{};  ///< when the packet that arrives now was sent
    std::array<std::uint64_t, fault_kinds> fault_counts{};
    std::vector<happened_fault> faults;
    std::uint64_t last_link = 0;
    const host_thread* acting = nullptr;  ///< whose turn it is
    /// Those whose waits end in vain now, with the life of their hosts.
    std::vector<std::pair<host_thread*, std::uint64_t>> interrupted;
    std::exception_ptr failure;
    /// So many without time passing, and without a program that receives anything, are no progress.
    std::uint64_t most_turns_at_once = 1'000'000;
    std::uint64_t turns_at_once = 0;
    std::optional<duration> healed_at;

    host_state* find_host(const std::string& ip) const noexcept;
    link_state& link(const host_state& from, const host_state& to);

    /// Whether this fault happens now; it is in the trace then. To a host, by the chance of a thread of it
    /// that has its turn:
    bool happens(fault f, host_thread& at);
    /// To a socket, at this place in what it reads or writes.
    bool happens(fault f, socket& at, std::uint64_t place);
    /// How much: for one of this kind that has just happened, whatever else happens in between.
    random_source& amount(fault f) noexcept { return amounts[static_cast<std::size_t>(f)]; }
    /// By a chance at a place.
    bool happens(fault f, double scale, host_state& at, keyed_chance& by, std::uint64_t place,
                 std::uint64_t on_link, std::string_view text);
    /// To what a host knows by name.
    bool happens(fault f, host_state& at, keyed_chance& by);
    /// `what` is a literal.
    void record(std::string_view what, const host_state* from, const host_state* to = nullptr,
                std::uint64_t on_link = 0, std::uint64_t bytes = 0, std::string_view text = {});
    /// The same for what a packet does that is at the end of its way now: only while it arrives.
    void record_arrival(std::string_view what, const host_state* from, const host_state* to,
                        std::uint64_t on_link = 0, std::uint64_t bytes = 0, std::string_view text = {});
    /// The same for what lasts until then.
    void record_span(std::string_view what, const host_state* from, const host_state* to, time_point until);

    /// Something that takes a packet's time from one host to another. When it would arrive, it waits while
    /// the network is cut there, or the other host is down (`arrival` may run twice for what is repeated); a
    /// host that is down sends nothing. Gives when it is to arrive.
    time_point send(host_state& from, host_state& to, const departure& what, std::function<void()> arrival);

    /// The same for what is lost where the other waits, and overtakes its like. `arrival` may run twice, or
    /// never.
    void send_datagram(host_state& from, host_state& to, std::size_t bytes,
                       const std::function<void()>& arrival);
    /// What reached this host in its former life, or while it was down, was lost there: it waits at the link
    /// again, where that is cut, in front of what came later.
    void send_again_to(host_state& booted);
    /// When something that sets out now would be there.
    time_point arrival_of(host_state& from, host_state& to, const departure& what);

    /// True when something ran.
    bool turn();
    /// This reactor begins to wait. It may look in vain for something to do, up to 1 ms from now.
    void interrupt_wait(host_thread& waits);
    void give_interrupted_turns();
    /// Lets time pass until the next thing happens, at most until `limit`. False when nothing ever will.
    bool advance(time_point limit);
    /// What waits at `l` arrives then, unless it is cut.
    void open_at(link_state& l, time_point when);
    void cut_for(host_state& from, host_state& to, duration d);
    /// A packet of so many bytes has arrived: while the link is narrow, the next one waits for a time.
    void pass(link_state& l, std::size_t bytes);
    void mend(link_state& l);
    void deliver_due();
    time_point next_event() const noexcept;
    bool finished() noexcept;
    /// Whether something that host::run was given has not ended.
    bool has_clients() const noexcept;
    /// True when all of those have ended. When nothing can ever happen again, `deadlock` is thrown; but with
    /// `whole_time` time passes then, and also when there were none.
    bool run_until(time_point limit, bool whole_time);
    std::string dump_tasks() const;

  private:
    void turn_of_reactor(host_thread& chosen);
};

}  // namespace bight::sim::detail
