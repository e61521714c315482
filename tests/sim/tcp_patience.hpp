// How long TCP waits for a peer that is out of reach, and what it cannot send meanwhile.
#pragma once

#include <bight/core/duration.hpp>

#include <chrono>
#include <string>

namespace test {

// tcp(7): tcp_retries2; tcp_keepalive_time, _probes and _intvl.
inline constexpr bight::duration patience_of_sender = std::chrono::seconds(924);
inline constexpr bight::duration until_probe = std::chrono::seconds(7200);
inline constexpr bight::duration patience_of_reader = until_probe + 9 * std::chrono::seconds(75);

/// More than fits between two peers, one of which does not read.
inline const std::string unread_text(10U << 20, 'x');

}  // namespace test
