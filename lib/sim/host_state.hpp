// host_state: the implementation of sim::host.
#pragma once

#include "disk_state.hpp"
#include "host_thread.hpp"
#include "plain_thread.hpp"
#include "process_table.hpp"
#include "socket.hpp"

#include <bight/core/reactor.hpp>
#include <bight/sim/world.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bight::sim::detail {

struct world_state;

/// A packet that has passed the link.
struct waiting_packet {
    host_state* from;  ///< the host that sends it again if it is lost; null: none
    std::function<void()> arrival;
};

/// A simulated machine: its network, its disk, and what runs on it.
struct host_state {
    host_state(world_state& in, std::string called, std::string at, std::size_t number);
    host_state(const host_state&) = delete;
    host_state& operator=(const host_state&) = delete;
    ~host_state();

    /// Makes the thread for the host's own reactor. Life 0 is the one before the first boot.
    host_thread& begin_life(std::uint64_t which);
    /// Whether it is one of its threads; `of` may be null.
    bool has_thread(const bight::detail::platform* of) const noexcept;
    /// See simulated_thread::give_turns.
    void give_turns(host_thread& to, bool on) noexcept;
    void boot();
    /// Throws std::logic_error within one of its own tasks, and then does nothing.
    void crash();
    /// Crashes the host, and restarts it after `d`.
    void lose_power_for(duration d);
    /// The world ends: ends the tasks of former lives.
    void end_former_lives() noexcept;

    /// Adds a thread for one more reactor.
    host_thread& add_reactor();
    /// The same for that of a child.
    host_thread& add_child_thread(std::shared_ptr<process_state> of, keyed_chance by);
    void start(program& p, bool boots);
    std::chrono::system_clock::time_point wall_time() const noexcept;
    std::error_code refuse(const char* what);
    /// Pauses the host: packets to it wait. A pause within a longer one has no effect.
    void pause(duration d);
    /// See host::signal.
    void signal(int number);
    bool stands_still(time_point now) const noexcept { return now < paused_until; }
    /// It is up, or no longer paused: waiting packets arrive, in order.
    void answer_again();
    /// The socket of a descriptor, or null.
    std::shared_ptr<socket> find(bight::detail::native_handle fd) const noexcept;
    int new_descriptor() noexcept { return next_descriptor++; }
    /// -EMFILE when there are too many.
    int add(std::shared_ptr<socket> s);
    void close(bight::detail::native_handle fd);

    world_state& world;
    const std::string name;
    const std::string ip;
    const std::size_t index;
    host* handle = nullptr;
    bool up = false;
    std::uint64_t boots = 0;

    std::vector<std::unique_ptr<host_thread>> threads;  ///< of all lives
    host_thread* first = nullptr;                       ///< of this life
    std::unique_ptr<bight::reactor> own;                ///< of `first`, for tasks, while it is up
    std::vector<host_thread*> awake;                    ///< threads whose reactors have turns
    std::vector<std::unique_ptr<plain_thread>> plain_threads;
    /// The reactor and threads of a life before a crash. They get no turns any more: nothing runs there, not
    /// even destructors, until the world ends.
    struct life {
        std::unique_ptr<bight::reactor> own;
        std::vector<std::unique_ptr<plain_thread>> plain_threads;
        std::vector<std::unique_ptr<bight::reactor>> of_children;
    };
    std::vector<life> former_lives;
    std::size_t reactors = 0;  ///< made in this life, beside `own`
    std::size_t mains = 0;     ///< begun in this life

    time_point paused_until{};
    duration wall_offset{};
    std::map<bight::detail::native_handle, std::shared_ptr<socket>> open;  ///< by descriptor
    std::map<std::string, std::weak_ptr<socket>> files;                    ///< of Unix sockets
    disk_state disk{*this};
    process_table processes{*this};
    int next_descriptor;
    std::uint16_t next_port = 32768;
    std::uint16_t next_ephemeral_port() noexcept {
        const std::uint16_t port = next_port++;
        if (next_port == 0) next_port = 32768;
        return port;
    }
    std::vector<std::unique_ptr<program>> at_boot;
    std::vector<std::unique_ptr<program>> once;
    std::vector<program*> waiting;  ///< of `once`: given while it was down
    std::size_t running = 0;        ///< of `once`, with those that wait
    /// Packets for this host that wait while it is down or paused.
    std::vector<waiting_packet> held;
    /// Packets that were lost while it was down and will be repeated (departure::repeated).
    std::vector<std::function<void()>> missed;
    /// It restarts: each missed packet is repeated now, before anything runs there, or later.
    void hear_again();
};

}  // namespace bight::sim::detail
