// put_in_order: which address of a name is to be tried first (RFC 6724).
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/address.hpp>

#include <cstddef>
#include <functional>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The address from which this machine would send to another one; empty when it has no way there.
using source_choice = std::function<address(const address& to)>;

/// As the system says, of a socket that sends nothing.
address source_here(const address& to) noexcept;

inline constexpr std::size_t most_to_order = 10;

/// Rules 1, 2, 5, 6, 8 and 9 of section 6, with the policies of 2.1; the others are about what this cannot
/// know. Rule 9 is for IPv6 alone: among addresses of IPv4 it would undo the turns that servers give them.
/// Where no rule decides they stay in their order, as do those beyond the first `most_to_order` of a family,
/// which come last: each takes some system calls. Throws std::bad_alloc.
void put_in_order(std::vector<address>& found, const source_choice& source_of = source_here);

}  // namespace detail
}  // namespace bight
