// check_options: refuses options of a reactor that no demultiplexer could use.
#pragma once

namespace bight {
struct reactor_options;
}

namespace bight::detail {

/// Throws std::invalid_argument, which names the member and what it may be.
void check_options(const reactor_options& options);

}  // namespace bight::detail
