// connect_first: connects to the first of several addresses that answers (RFC 8305, "Happy Eyeballs").
#pragma once

#include "connect_attempt.hpp"

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <vector>

namespace bight::detail {

/// How long an address has to answer before the next one is tried too (RFC 8305, section 5).
inline constexpr std::chrono::milliseconds connection_attempt_delay{250};

using connect_attempts = std::list<connect_attempt>;

/// Gives attempts to addresses that are found later: none where there are no more.
using further_attempts = std::function<task<connect_attempts>()>;

/// The addresses in `found` without duplicates, in the order in which they are to be tried: the families take
/// turns, beginning with that of the first address (RFC 8305, section 4). Addresses that cannot be reached
/// from `from`, unless that is empty, are left out.
connect_attempts in_order(const std::vector<address>& found, const address& from);

/// Gives the stream of the first address that succeeds, or an empty one when none does. The next attempt
/// begins when one has failed, or has not answered for connection_attempt_delay; when one has won, the others
/// are cancelled. Cancelling closes all. `attempts` must outlive the task, and show the outcome of each.
/// `further`, which may be empty, is asked meanwhile, and waited for before all have failed; what it gives
/// takes turns with those of `attempts` that are not begun.
task<stream> connect_first(connect_attempts& attempts, const connect_setup& setup,
                           const further_attempts& further);

/// The most informative error: an answer before no answer, and that before a condition of this machine. The
/// first among equals; EHOSTUNREACH when nothing was tried.
int best_error(const connect_attempts& attempts) noexcept;

/// "127.0.0.1:80: Connection refused, [::1]:80: no answer"
std::string in_words(const connect_attempts& attempts);

}  // namespace bight::detail
