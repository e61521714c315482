// exchange_dns: a query to one server, and its answer.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>

#include <cstddef>
#include <string>

namespace bight::detail {

/// What a server is asked: a question in two forms, of which either may be empty.
struct dns_queries {
    std::string with_edns;  ///< sent first
    std::string plain;
    duration patience{};  ///< the server's before the second is sent, too, from the same socket
};

struct dns_reply {
    std::string message;
    bool to_plain = false;  ///< it is the answer to that form
};

/// The server's answer to the form that it answers first: over UDP, or, where it was cut off, over TCP. What
/// is no answer is passed over; so this waits until one comes. Throws std::system_error. Cancelling closes
/// the socket.
task<dns_reply> exchange_dns(address server, const dns_queries& queries);

}  // namespace bight::detail
