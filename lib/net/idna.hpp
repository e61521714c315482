// idna_form: names beyond ASCII as DNS has them (RFC 5890).
#pragma once

#include <bight/core/export.hpp>

#include <string>
#include <string_view>

namespace BIGHT_EXPORT bight {
namespace detail {

bool is_ascii(std::string_view text) noexcept;

/// "bücher.example" as "xn--bcher-kva.example", by a library of the system's that is loaded the first time,
/// which takes a few milliseconds. The name is UTF-8 (check_name). Throws std::system_error: EINVAL where
/// there is no such library, and for a name that has no such form.
std::string idna_form(const std::string& name);

}  // namespace detail
}  // namespace BIGHT_EXPORT bight
