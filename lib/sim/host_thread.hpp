// host_thread: a thread of a simulated host, as the platform of its reactor.
#pragma once

#include "keyed_chance.hpp"
#include "simulated_processes.hpp"
#include "simulated_sockets.hpp"

#include "../core/platform.hpp"
#include "../demux/network_platform.hpp"

#include <bight/core/detail/timer.hpp>
#include <bight/core/reactor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim::detail {

class simulated_demultiplexer;
struct host_state;
struct process_state;
struct world_state;

/// A thread of a host, as the platform of the reactor or of the plain function that runs there. All of them
/// run on the thread of their world, or while it waits, one at a time; the seed decides which. Each has its
/// own random numbers, so that events on one do not depend on the draws of others. It lives until its world
/// ends: late events may refer to it, and then find that it has no reactor any more.
struct host_thread final : bight::detail::platform,
                           bight::detail::network_platform,
                           bight::detail::process_platform {
    /// `numbered`: 0 for the thread of the tasks given to on_boot and run.
    host_thread(host_state& on, keyed_chance has, std::size_t numbered) noexcept
        : host(on), chance(has), number(numbered), calls_(*this), process_calls_(*this) {}
    /// Ends the process when a reactor of the program still lives here.
    ~host_thread() override;

    std::unique_ptr<bight::detail::event_port> make_event_port(bight::reactor& home) override;
    virtual_clock& time() noexcept override;
    bool delays_timers() noexcept override;
    time_point timers_from() const noexcept override { return timers_late_until; }
    std::uint64_t random() noexcept override;
    std::chrono::system_clock::time_point wall_time() noexcept override;
    task<resolved_host> look_up(std::string name, address::family_type family) override;
    task<std::string> look_up_name(address of) override;
    duration time_on_a_thread() noexcept override;
    std::error_code refuse(const char* what) override;
    bool has_crashed() const noexcept override;
    simulated_sockets& sockets() noexcept override { return calls_; }
    bight::detail::process_calls* processes() noexcept override;
    bight::detail::pipe_calls& pipes() noexcept override { return process_calls_; }
    const void* identity() const noexcept override { return number > 0 ? this : nullptr; }
    bool has_own_thread() const noexcept override { return number > 0 && has_turns; }

    /// The keyed_chance of a named thing: a host that is looked up here, an address that is connected to, …
    keyed_chance& chance_of(std::string_view thing);
    /// Draws its place among the threads that can run, once for each turn.
    std::uint64_t place_in_order() noexcept;

    // For a thread that runs a reactor.

    /// Schedules the time at which posted calls are noticed, as when a thread wakes up.
    void notice_calls() noexcept;
    /// A stop has come, which takes effect in its next turn.
    void wake() noexcept { woken_ = true; }
    /// Tells its reactor, if it has one, of a signal, in the next turn. Whether anybody there watches it.
    bool signal(int which) noexcept;
    /// Whether something waits for its turn.
    bool has_work() const noexcept;
    /// Whether a turn would do something now.
    bool can_run() const noexcept;
    /// When it will have something to do; max() for never, as far as it knows.
    time_point next_work() const noexcept;
    /// The earliest time of its next turn: its host may be paused, or it may be busy.
    time_point next_turn() const noexcept;
    void begin_turn() noexcept;
    /// Its reactor, if it has turns.
    bight::reactor* reactor() const noexcept { return has_turns ? runs : nullptr; }
    /// "server, reactor 2"
    std::string description() const override;

    /// A descriptor that this thread has made, or an error: its number. What a child has opened is closed
    /// when it ends.
    int opened(int fd);
    void closed(bight::detail::native_handle fd) noexcept;

    host_state& host;
    keyed_chance chance;
    const std::size_t number;
    std::shared_ptr<process_state> process;    ///< the child that it is; null: the host's own programs
    bight::reactor* runs = nullptr;            ///< while there is one
    simulated_demultiplexer* demux = nullptr;  ///< that of `runs`
    bool has_turns = false;
    /// Its place for keyed_chance: the first completion of this turn, or the last one, and the number of
    /// turns since.
    std::uint64_t cause = 0;
    bool turn_is_put_off = false;  ///< the next turn has the same cause
    bool waits_anew = false;       ///< since its last turn
    time_point busy_until{};
    time_point timers_late_until{};

  private:
    duration time_of_look_up(const std::string& name);
    resolved_host found(const std::string& name, address::family_type family);
    std::string found_name(const address& of);

    simulated_sockets calls_;
    simulated_processes process_calls_;
    std::map<std::string, keyed_chance, std::less<>> chances_of_things_;
    std::optional<std::uint64_t> place_;  ///< among those that can run
    std::optional<time_point> wakes_at_;  ///< for the calls that were posted
    bool woken_ = false;                  ///< by a stop
};

}  // namespace bight::sim::detail
