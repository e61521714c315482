// Calls that block a thread, and are not for a thread that runs a reactor.
#pragma once

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Throws std::system_error (errc::wrong_thread) when a reactor runs on this thread: `what` would block it.
/// `instead` says what to write there.
void refuse_on_reactor(const char* what, const char* instead);

}  // namespace detail
}  // namespace bight
