// default_action: what the signals of a system do to a process that does not handle them (signal(7)).
#pragma once

#include <csignal>
#include <cstdint>

namespace bight::sim::detail {

// Which Windows has no names for.
inline constexpr int kill_signal = 9;
inline constexpr int broken_pipe_signal = 13;

enum class default_action : std::uint8_t { ends, nothing, stops, continues };

inline default_action default_action_of(int signal) noexcept {
    switch (signal) {
#if defined(SIGSTOP)
        case SIGCHLD:
        case SIGURG:
        case SIGWINCH: return default_action::nothing;
        case SIGSTOP:
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU: return default_action::stops;
        case SIGCONT: return default_action::continues;
#endif
        default: return default_action::ends;
    }
}

inline bool is_signal(int number) noexcept { return number > 0 && number <= 64; }

/// Whether a program can handle or ignore it.
inline bool can_be_handled(int signal) noexcept {
#if defined(SIGSTOP)
    if (signal == SIGSTOP) return false;
#endif
    return is_signal(signal) && signal != kill_signal;
}

}  // namespace bight::sim::detail
