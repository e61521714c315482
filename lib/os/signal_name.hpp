// known_signal_name: what a signal is called.
#pragma once

namespace bight::detail {

/// "SIGHUP"; null when it has no name of its own here.
const char* known_signal_name(int number) noexcept;

}  // namespace bight::detail
