// personality: which demultiplexer the simulated one behaves like.
#pragma once

#include <bight/core/export.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace BIGHT_EXPORT bight {
namespace sim {

/// What every demultiplexer may do differently without breaking bight's contract: whether an operation ends
/// in the call that starts it, when a cancelled one is gone, what one wait reports, and in which order. A
/// program that is right does not notice; one that relies on the habits of the machine it was written on
/// fails under another personality. docs/sim/personalities.md has all of them in a table.
enum class personality : std::uint8_t {
    plain,     ///< of no system: an operation ends at once if it can, and a cancelled one is gone at once
    io_uring,  ///< every result comes with a wait; cancelled operations end later, in any order
    epoll,     ///< a wait reports descriptors, and calls are made in the task's turn, now and then in vain
    kqueue,    ///< several events for one descriptor, in any order; the end with bytes still unread
    iocp,      ///< results at once or later, and in batches; cancelled operations end later, in their order
    wfmo,      ///< a wait reports one descriptor, in the order of their places
    by_seed,   ///< one of those above: the seed of the world chooses
};

/// All that a world can have: without by_seed.
inline constexpr std::array personalities{personality::plain,  personality::io_uring, personality::epoll,
                                          personality::kqueue, personality::iocp,     personality::wfmo};

/// "plain", "io_uring", …, "by_seed".
std::string_view name_of(personality p) noexcept;
/// The personality of this name, by_seed included; nullopt when there is none.
std::optional<personality> personality_called(std::string_view name) noexcept;

}  // namespace sim
}  // namespace bight
