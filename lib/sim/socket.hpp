// socket: a socket of a simulated host.
#pragma once

#include "keyed_chance.hpp"

#include "../demux/operation.hpp"

#include <bight/core/detail/timer.hpp>
#include <bight/io/address.hpp>
#include <bight/io/multicast_group.hpp>
#include <bight/io/socket_options.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace bight::sim::detail {

class simulated_demultiplexer;
struct host_state;
struct process_state;
struct simulated_pipe;

/// The options of a socket that are numbers, with Linux's defaults; 0: not set.
struct socket_numbers {
    bool no_delay = false;
    int keep_alive_idle = 7200;
    int keep_alive_interval = 75;
    int keep_alive_count = 9;
    int user_timeout = 0;
    int send_buffer = 0;
    int receive_buffer = 0;
    int dscp = 0;
    interface_name device;
};

/// A datagram that has arrived, and was not yet received.
struct datagram {
    std::string bytes;
    address from;
    address to;
    unsigned interface_index = 0;
    std::uint8_t traffic_class = 0;
    std::vector<int> descriptors{};  ///< that come along (messages.hpp)
};

/// Descriptors that came with the bytes from `place` to `end` of a Unix stream, and were not yet received
/// (messages.hpp).
struct passed_descriptors {
    std::uint64_t place = 0;
    std::uint64_t end = 0;
    std::vector<int> descriptors;
};

/// Kept alive by the network while something is on its way to it, by the host's table while the program has
/// its descriptor, and by its peer while the connection lasts.
struct socket {
    socket(host_state& on, int of_family, keyed_chance has) noexcept
        : chance(has), home(&on), family(of_family) {}

    enum class stage : std::uint8_t {
        fresh,
        listening,
        connecting,
        connected,
        closed,  ///< nothing is sent or received any more
    };

    keyed_chance chance;  ///< of this direction, once it is connected
    host_state* home;
    int family;
    int fd = -1;  ///< one of its descriptors; -1 once the program has closed all
    int descriptors = 0;
    stage is = stage::fresh;
    address local;
    address remote;
    bool reuse_port = false;
    bool abort_on_close = false;
    bool keep_alive = false;
    bool only_ipv6 = true;
    socket_numbers numbers;  ///< inherited by accepted sockets
    int error = 0;           ///< what the next operation fails with: ECONNRESET, ETIMEDOUT
    bight::detail::descriptor* watched = nullptr;  ///< whose operations wait for it, at:
    simulated_demultiplexer* watcher = nullptr;

    // For a listening socket.
    std::deque<std::shared_ptr<socket>> backlog;
    std::size_t backlog_limit = 0;

    // For a connected socket.
    std::uint64_t link = 0;  ///< the connection's number; both ends have the same
    std::shared_ptr<socket> peer;
    std::string outgoing;  ///< taken from the program, and not yet sent
    std::string incoming;  ///< arrived, and not yet read
    std::size_t in_flight = 0;
    std::deque<passed_descriptors> passed;
    // The numbers of bytes so far, which give the places of events in the stream.
    std::uint64_t written = 0;  ///< taken from the program
    std::uint64_t sent = 0;
    std::uint64_t read = 0;       ///< given to the program
    std::size_t send_buffer = 0;  ///< the most that `outgoing` and `in_flight` hold
    std::size_t window = 0;       ///< the most that `incoming`, and what is on its way to it, hold
    std::size_t narrowed = 0;     ///< a temporary limit for both of these; 0: none
    bool silent = false;          ///< nothing that it sends arrives any more
    bool end_asked = false;       ///< an end is to be sent after `outgoing`
    bool end_sent = false;
    bool end_acknowledged = false;
    bool end_came = false;
    bool reads_ended = false;  ///< closed: what arrives is answered with a reset
    bool vanished = false;     ///< its host has crashed
    bool gave_up = false;      ///< packets on their way from here are not repeated, and never arrive
    /// Whether it is gone without its peer's knowledge; the peer gets a reset when it sends something.
    bool is_gone() const noexcept { return vanished || gave_up; }
    time_point last_arrival{};  ///< of its packets, so that bytes do not overtake each other
    unsigned attempts = 0;      ///< to connect

    // For a socket of datagrams (datagrams.hpp), which is `fresh` until it is closed; with a peer it has
    // `remote`.
    bool is_datagram = false;
    bool tells_arrival = false;
    bool tells_traffic_class = false;
    bool tells_sender = false;
    bool coalesces = false;
    bool broadcasts = false;
    bool share_address = false;
    std::vector<multicast_group> groups;  ///< that it has joined
    multicast_options to_groups;
    std::weak_ptr<socket> unix_peer;  ///< the one that had the path of `remote` at the connect
    std::deque<datagram> datagrams;
    std::size_t queued = 0;  ///< what these take of its receive buffer

    // What is no socket has one of these, and no family (pipes.hpp, process_table.hpp).
    std::shared_ptr<simulated_pipe> pipe;  ///< of which it is an end
    bool writes_pipe = false;              ///< which one
    std::shared_ptr<process_state> process;

    // Its time-outs for a peer that does not answer (contact.hpp); max() for never.
    time_point unheard_since = time_point::max();
    time_point waits_since{};  ///< for an acknowledgement
    time_point last_heard{};
    time_point patience_ends = time_point::max();  ///< an event checks then
};

}  // namespace bight::sim::detail
