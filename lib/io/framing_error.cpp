#include <bight/io/framing_error.hpp>

#include <bight/core/error.hpp>

namespace bight {

namespace {

std::error_code framing_code(framing_fault fault) noexcept {
    switch (fault) {
        case framing_fault::too_long: return errc::too_long;
        case framing_fault::incomplete: return errc::end_of_stream;
        case framing_fault::no_frame: return std::make_error_code(std::errc::invalid_argument);
        default: break;
    }
    return std::make_error_code(std::errc::bad_message);
}

}  // namespace

framing_error::framing_error(framing_fault fault, std::uint64_t at, std::uint64_t missing,
                             const std::string& what)
    : std::system_error(framing_code(fault), what), fault_(fault), at_(at), missing_(missing) {}

framing_error::~framing_error() = default;

}  // namespace bight
