// exchange_dns: one query to one server, and its answer.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>

#include <cstddef>
#include <string>

namespace bight::detail {

/// The server's answer to this query: over UDP, of at most `longest` bytes (longest_edns_datagram, or less),
/// or, where it was cut off, over TCP. What is no answer to it is passed over; so this waits until an answer
/// comes. Throws std::system_error. Cancelling closes the socket.
task<std::string> exchange_dns(address server, const std::string& query, std::size_t longest);

}  // namespace bight::detail
