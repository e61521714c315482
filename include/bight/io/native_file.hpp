// native_file: an open file of the system's.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// An open file of the system's: a descriptor, as open(2) gives it; on Windows a HANDLE, as a number.
using native_file = std::intptr_t;

}  // namespace bight
