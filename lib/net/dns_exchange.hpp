// exchange_dns: one query to one server, and its answer.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>

#include <string>

namespace bight::detail {

/// The server's answer to this query: over UDP, or, where it was cut off, over TCP. What is no answer to it
/// is passed over; so this waits until an answer comes. Throws std::system_error. Cancelling closes the
/// socket.
task<std::string> exchange_dns(address server, const std::string& query);

}  // namespace bight::detail
