// fd_event: what a descriptor can be ready for.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// A set of the things that a descriptor can be ready for, as poll(2) has them:
///
///     fd_event::readable | fd_event::writable
///
/// Ready for reading is also what has ended or has failed, because the call would not wait; so is what is
/// asked for writing. Priority is what POLLPRI stands for: urgent data of TCP, a change on a pseudo-terminal
/// in packet mode, an edge of a GPIO pin.
enum class fd_event : std::uint8_t {
    none = 0,
    readable = 1,  ///< POLLIN: a read would not wait; or there is a connection to accept
    writable = 2,  ///< POLLOUT
    priority = 4,  ///< POLLPRI
};

constexpr fd_event operator|(fd_event a, fd_event b) noexcept {
    return static_cast<fd_event>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr fd_event operator&(fd_event a, fd_event b) noexcept {
    return static_cast<fd_event>(static_cast<std::uint8_t>(a) & static_cast<std::uint8_t>(b));
}
/// All that `a` has not.
constexpr fd_event operator~(fd_event a) noexcept {
    return static_cast<fd_event>(~static_cast<unsigned>(a) & 7U);
}
constexpr fd_event& operator|=(fd_event& a, fd_event b) noexcept { return a = a | b; }
constexpr fd_event& operator&=(fd_event& a, fd_event b) noexcept { return a = a & b; }

/// Whether `all` has any of `some`: `if (includes(ready, fd_event::readable))`.
constexpr bool includes(fd_event all, fd_event some) noexcept { return (all & some) != fd_event::none; }

}  // namespace bight
