#include "inherited_descriptor.hpp"

#include <bight/core/error.hpp>

#include <system_error>

namespace bight::detail {

int adopted_descriptor(const endpoint& where) {
    if (where.kind == endpoint::kind_type::descriptor) return where.descriptor;
    throw std::system_error(errc::unavailable, "cannot use " + where.to_string() +
                                                   ": nothing passes sockets in this way on Windows");
}

}  // namespace bight::detail
