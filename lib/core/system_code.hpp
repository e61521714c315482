// system_code_of: asks an exception for its error code.
#pragma once

#include <exception>
#include <system_error>

namespace bight::detail {

/// The code of the std::system_error that `error` holds; no error where it holds something else.
std::error_code system_code_of(const std::exception_ptr& error) noexcept;

}  // namespace bight::detail
