// make_file_transport: a file as a transport.
#pragma once

#include "descriptor_claim.hpp"
#include "file_state.hpp"

#include <bight/io/transport.hpp>

#include <cstdint>
#include <memory>

namespace bight {

class reactor;

namespace detail {

/// What a stream over a file is for; the rest is EBADF, whatever the descriptor is open for.
enum class file_ways : std::uint8_t { reads, writes, both };

/// Reads and writes from `offset` on, with a position each; with at_the_position where the open file stands,
/// which all who share it see. Throws std::bad_alloc.
transport& make_file_transport(reactor& home, file_state_ref of, std::uint64_t offset,
                               file_ways goes = file_ways::both,
                               std::unique_ptr<descriptor_claim> claim = nullptr);

}  // namespace detail
}  // namespace bight
