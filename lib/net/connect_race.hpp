// connect_first: connects to the first of several addresses that answers (RFC 8305, "Happy Eyeballs").
#pragma once

#include "connect_attempt.hpp"

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace bight::detail {

/// How long an address has to answer before the next one is tried too (RFC 8305, section 5).
inline constexpr std::chrono::milliseconds connection_attempt_delay{250};

/// The addresses in `found` without duplicates, in the order in which they are to be tried: the families take
/// turns, beginning with that of the first address (RFC 8305, section 4). Addresses that cannot be reached
/// from `from`, unless that is empty, are left out.
std::vector<connect_attempt> in_order(const std::vector<address>& found, const address& from);

/// Gives the stream of the first address that succeeds, or an empty one when none does. The next attempt
/// begins when one has failed, or has not answered for connection_attempt_delay; when one has won, the others
/// are cancelled. Cancelling closes all. `attempts` must outlive the task, and show the outcome of each.
task<stream> connect_first(std::vector<connect_attempt>& attempts, const connect_setup& setup);

/// The most informative error: an answer before no answer, and that before a condition of this machine. The
/// first among equals; EHOSTUNREACH when nothing was tried.
int best_error(const std::vector<connect_attempt>& attempts) noexcept;

/// "127.0.0.1:80: Connection refused, [::1]:80: no answer"
std::string in_words(const std::vector<connect_attempt>& attempts);

}  // namespace bight::detail
