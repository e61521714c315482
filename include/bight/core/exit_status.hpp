// exit_status_of: turns an error that leaves main() into a report and an exit status.
#pragma once

#include <bight/core/error.hpp>
#include <bight/core/export.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// As bight::exit_status_of; the report names `name` as what failed.
template <class F>
int reported_status_of(const char* name, F&& f) noexcept {
    try {
        return std::invoke(std::forward<F>(f));
    } catch (...) {
        report_error({std::current_exception(), name, {}});
        return 1;
    }
}

}  // namespace detail

/// Calls `f()` and returns the exit status that it gives; when it throws, passes the error to the error
/// handler and returns 1. For a main() that makes objects whose constructors may throw: a runtime when no
/// reactor is available, a listener when its address is in use.
///
///     int main() {
///         return bight::exit_status_of([] {
///             bight::runtime cores;
///             bight::sharded_listener where(cores, "tcp:8123");
///             return cores.run([&] { return bight::serve(where.listen(), bight::serve_options(), echo); });
///         });
///     }
template <class F>
    requires std::same_as<std::invoke_result_t<F>, int>
int exit_status_of(F&& f) noexcept {
    return detail::reported_status_of("main()", std::forward<F>(f));
}

}  // namespace bight
