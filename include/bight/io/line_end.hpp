// line_end: what ends a line.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// What ends a line.
enum class line_end : std::uint8_t {
    crlf,    ///< "\r\n" (a single "\r" or "\n" is a byte like any other): most protocols of the internet
    lf,      ///< "\n"
    either,  ///< "\n", and a "\r" before it belongs to the end: for people and for old clients
};

}  // namespace bight
