// resolved_host: what a look-up of a name gives.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/io/address.hpp>

#include <optional>
#include <vector>

namespace BIGHT_EXPORT bight {

struct resolved_host {
    /// At least one, in the order in which they are to be tried.
    std::vector<address> addresses;
    /// How long this may be kept, by those who publish the name; empty where that is not known, as with
    /// getaddrinfo(3).
    std::optional<duration> ttl = {};
    /// The family whose answer was not waited for, as it was late: there may be more addresses, which a
    /// look-up of this family alone finds. none: these are all.
    address::family_type missing = address::family_type::none;
};

}  // namespace bight
