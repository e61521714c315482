// refuse_on_reactor: a check for calls that would block a reactor's thread.
#pragma once

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Throws std::system_error (errc::wrong_thread) when a reactor runs on this thread: `what` would block it.
/// `instead` says what to write in a task.
void refuse_on_reactor(const char* what, const char* instead);

}  // namespace detail
}  // namespace bight
