// error_of, from_errno: what an operation fails with, and what it should fail with.
#pragma once

#include <bight/core/task.hpp>

#include <system_error>
#include <utility>

namespace test {

/// The code of the std::system_error that an operation or a task throws; none when it succeeds.
template <class A>
bight::task<std::error_code> error_of(A operation) {
    std::error_code code;
    try {
        co_await std::move(operation);
    } catch (const std::system_error& e) {
        code = e.code();
    }
    co_return code;
}

#ifdef _WIN32
/// What an error of the system means.
inline std::error_condition from_errno(int error) { return {error, std::generic_category()}; }
#else
inline std::error_code from_errno(int error) { return {error, std::system_category()}; }
#endif

}  // namespace test
