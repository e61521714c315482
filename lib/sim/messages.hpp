// Messages of simulated Unix sockets, with the descriptors that they pass.
#pragma once

#include "socket.hpp"

#include "../demux/operation.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace bight::sim::detail {

// A descriptor that is on its way is an entry of the host's table, which nobody knows yet; the receiver is
// given that entry. So a connection or a listener lives on, whatever its sender does meanwhile.

/// How many of the next `size` bytes one read takes: as in Linux it ends behind a message with descriptors.
std::size_t until_descriptors(const socket& s, std::size_t size) noexcept;
/// All bytes before `s.read` have been read; closes the descriptors that came with them.
void drop_descriptors(socket& s);
/// Closes all that were not received.
void drop_all_descriptors(socket& s);

/// Puts the descriptors of a datagram on their way: 0, or an error number, and then there are none.
int send_along(host_state& on, const bight::detail::control_along& with, std::vector<int>& descriptors);
/// Gives those that came with a datagram to its receive; what has no room there, or all, is closed.
void receive_along(host_state& on, bight::detail::control_along* into, std::vector<int> came);

/// As the calls of the kernel; false when it would wait.
bool send_message(bight::detail::send_message_operation& op, const std::shared_ptr<socket>& s);
bool receive_message(bight::detail::receive_message_operation& op, socket& s);

}  // namespace bight::sim::detail
