// error_trace: the coroutines that an error passed through.
#pragma once

#include <exception>
#include <source_location>
#include <vector>

namespace bight::detail {

/// The coroutines that stood above one exception when it was thrown, innermost first.
struct error_trace {
    std::exception_ptr error;
    std::vector<std::source_location> lines;
};

}  // namespace bight::detail
