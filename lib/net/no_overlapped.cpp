#include <bight/net/overlapped_operation.hpp>

#include <bight/core/error.hpp>

#include <system_error>

namespace bight {

task<std::size_t> overlapped_operation(void*, std::function<bool(_OVERLAPPED&)>) {
    throw std::system_error(errc::unavailable, "overlapped_operation: only Windows has overlapped calls");
    co_return std::size_t{0};
}

}  // namespace bight
