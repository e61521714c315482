#include "system_code.hpp"

#include <cstring>
#include <typeinfo>

namespace bight::detail {

std::error_code system_code_of(const std::exception_ptr& error) noexcept {
    if (!error) return {};
#ifdef __GLIBCXX__
    // Here an exception_ptr is the address of the exception, and tells its type. To look costs nothing; to
    // throw and to catch it costs as much as a small request.
    static_assert(sizeof error == sizeof(const std::system_error*));
    if (*error.__cxa_exception_type() == typeid(std::system_error)) {
        const std::system_error* held = nullptr;
        std::memcpy(&held, &error, sizeof held);
        return held->code();
    }
#endif
    try {
        std::rethrow_exception(error);
    } catch (const std::system_error& held) {
        return held.code();
    } catch (...) {
        return {};
    }
}

}  // namespace bight::detail
