// ecn_codepoint: what the network says, and may say, of congestion.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// The lower two bits of the traffic class: explicit congestion notification (RFC 3168, section 5).
enum class ecn_codepoint : std::uint8_t {
    not_capable = 0,  ///< routers with too much to do drop it
    ect_1 = 1,        ///< they may mark it instead
    ect_0 = 2,        ///< the same
    congestion_experienced = 3
};

}  // namespace bight
