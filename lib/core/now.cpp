#include <bight/core/now.hpp>

namespace bight {

time_point now(std::source_location where) {
    const reactor* const here = reactor::current();
    if (!here) [[unlikely]]
        detail::throw_no_reactor("bight::now()", where);
    return here->now();
}

}  // namespace bight
