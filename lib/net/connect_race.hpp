// Connecting to a name that has several addresses (RFC 8305, "Happy Eyeballs").
#pragma once

#include "connect_attempt.hpp"

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace bight::detail {

/// How long one address has for its answer before the next one is tried, too (RFC 8305, section 5).
inline constexpr std::chrono::milliseconds connection_attempt_delay{250};

/// `found`, each once, in the order in which they are to be tried: the families take turns, beginning with
/// the first one's (RFC 8305, section 4). Those that cannot be reached from `from`, if there is one, are left
/// out.
std::vector<connect_attempt> in_order(const std::vector<address>& found, const address& from);

/// The stream of the first address that answers; an empty one when none has. The next one begins when one has
/// failed, or has been silent for connection_attempt_delay; those that are under way when another has won are
/// cancelled. Cancelling closes all. `attempts` outlive it, and tell what has become of each.
task<stream> connect_first(std::vector<connect_attempt>& attempts, const address& from);

/// The error that says most: an answer before a silence, and that before what keeps this machine from trying.
/// The first one of equals; EHOSTUNREACH when nothing was tried.
int best_error(const std::vector<connect_attempt>& attempts) noexcept;

/// "127.0.0.1:80: Connection refused, [::1]:80: no answer"
std::string in_words(const std::vector<connect_attempt>& attempts);

}  // namespace bight::detail
