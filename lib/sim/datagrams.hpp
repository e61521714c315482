// Simulated UDP and Unix datagrams.
#pragma once

#include "world_state.hpp"

#include "../demux/operation.hpp"

#include <bight/io/address.hpp>

#include <cstdint>
#include <memory>

namespace bight::sim::detail {

// The behaviour of UDP as far as programs can see it: a datagram arrives whole, twice or never, and overtakes
// others (world_state::send_datagram); one that finds no socket is refused, which its sender's socket is told
// if it has a peer; one that finds no room in the receive buffer is lost. One to a group or a broadcast
// address goes to each host by itself. Unix datagrams arrive at once and in order, and wait for room.

/// Whether it is the address of a group.
bool is_multicast(const address& a);

/// Whether a receive would end now.
bool has_datagram(const socket& s) noexcept;
/// False when there is nothing: it waits.
bool receive_datagrams(world_state& w, bight::detail::receive_datagrams_operation& op, socket& s);

/// Whether a send to the peer would end now.
bool can_send_datagram(const socket& s);
/// False when it must wait for room.
bool send_datagrams(world_state& w, bight::detail::send_datagrams_operation& op,
                    const std::shared_ptr<socket>& s);

/// 0, or -errno.
int set_membership(socket& s, const multicast_group& of, bool joins);
/// The same.
int set_multicast(socket& s, const multicast_options& options);
/// The same.
int connect_datagrams(world_state& w, const std::shared_ptr<socket>& s, const address& to);
/// The program has closed the socket, or its host has crashed.
void let_go_of_datagrams(socket& s);

}  // namespace bight::sim::detail
