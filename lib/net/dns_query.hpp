// dns_query: asks servers one after the other until one has answered.
#pragma once

#include "dns_message.hpp"

#include <bight/core/detail/timer.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/net/dns_resolver.hpp>
#include <bight/sync/semaphore.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace bight::detail {

/// A name of DNS, without a final dot, and what is asked of it.
struct dns_query {
    std::string asked;  ///< what it is for, in errors
    std::string name;
    dns_type type = dns_type::a;
    address reversed{};  ///< of ptr: whose name it is
};

/// What a resolver's look-ups share.
struct dns_client {
    const dns_options& options;
    semaphore& places;  ///< one for each exchange that is under way
    /// Until when each server is asked without EDNS, as far as is known of it.
    std::vector<time_point>& without_edns_until;
};

/// The answer of the first server that has one, beginning with the server at `first`: found, no_name or
/// no_data. Throws std::system_error when none has, with what has become of each (see dns_resolver).
/// Cancelling closes the socket.
task<dns_answer> ask_dns_servers(dns_client by, std::size_t first, dns_query query);

/// Both families at once, as dns_resolver says; the addresses of IPv6 come first. The time to live is short
/// when one family's answer was not waited for, or could not be had.
task<dns_answer> ask_dns_for_both(dns_client by, std::size_t first, std::string asked, std::string name);

}  // namespace bight::detail
