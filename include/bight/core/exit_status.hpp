// exit_status_of: an error that leaves main() is reported, and does not end in std::terminate.
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

/// As bight::exit_status_of; the error is reported as having left `name`.
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

/// Calls `f()` and gives the exit status that it gives; 1 when it throws, after the error went to the error
/// handler. For a main() that makes more than bight::run does, such as a runtime, whose constructor throws
/// when a reactor cannot be had, or a listener, whose address may be taken:
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
